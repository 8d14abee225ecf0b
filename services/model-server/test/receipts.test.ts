import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type CycleDigests, cycleDigestsText, sealCycleDigests } from "@assay/core/cycle-digests/cycle-digests";
import { cycleFacts } from "@assay/core/cycle-digests/cycle-facts";
import { decodeBase64Url, encodeBase64Url } from "@assay/core/messages/base64url";
import { type Bundle, bundleText } from "@assay/core/receipts/bundle";
import { explainBundle } from "@assay/core/receipts/explanation";
import { receiptRows } from "@assay/core/receipts/receipt-rows";
import { mergeOutcome } from "@assay/testing/builders/cycle-digests";
import { receiptBundle } from "@assay/testing/builders/receipt-bundle";
import { afterAll, beforeAll, expect, test } from "vitest";
import { undocumented } from "./documented.ts";
import { keypair } from "./miners.ts";
import { refusalIn, ServerFixture } from "./server-fixture.ts";

let server: ServerFixture;
const signerOf = (name: string) => {
  const { hotkey: address, sign } = keypair(name);
  return { address, sign: (bytes: Uint8Array) => decodeBase64Url(sign(bytes)) ?? new Uint8Array() };
};
const validator = signerOf("validator");
const miners = ["one", "two", "three", "four", "five", "six"].map(signerOf);
let bundle: Bundle;
let digests: CycleDigests;

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

beforeAll(async () => {
  server = await ServerFixture.start({ redisUrl: "unix:///nowhere/redis.sock" });
  bundle = receiptBundle({ validator, miners });
  const explained = explainBundle(bundle, (bytes) => encodeBase64Url(validator.sign(bytes)));
  digests = sealCycleDigests(cycleFacts(bundle, mergeOutcome([validator.address])), bundle.header, (bytes) =>
    encodeBase64Url(validator.sign(bytes)),
  );
  await put(server.layout.receiptBundle(1), bundleText(bundle));
  await put(server.layout.explanations, JSON.stringify(explained));
  await put(server.layout.recentExport, receiptRows(bundle));
  await put(server.layout.hourlyExport(["2026", "11", "21", "23"]), receiptRows(bundle));
  await server.serve();
});
afterAll(() => server[Symbol.asyncDispose]());

test("a bundle is served to anybody, byte for byte, as the document says", async () => {
  const response = await fetch(`${server.url}/receipts/1`);
  const bytes = new Uint8Array(await response.clone().arrayBuffer());

  expect(new TextDecoder().decode(bytes)).toBe(bundleText(bundle));
  const { status, headers } = response;
  expect(undocumented("GET", "/receipts/1", { status, headers, body: await response.text() })).toEqual([]);
  const head = await fetch(`${server.url}/receipts/1`, { method: "HEAD" });
  expect([head.status, head.headers.get("content-length")]).toEqual([200, String(bytes.length)]);
});

test("digests of a cycle are served to anybody as they were written, and listed", async () => {
  expect(await answered("/digests")).toMatchObject({ body: '{"cycles":[]}' });
  for (const cycle of [1, 3, 20]) await put(server.layout.cycleDigests(cycle), cycleDigestsText(digests));

  const { status, headers, body } = await answered("/digests/1");
  expect(body).toBe(cycleDigestsText(digests));
  expect(headers.get("cache-control")).toBe("public, max-age=3600");
  expect(undocumented("GET", "/digests/1", { status, headers, body })).toEqual([]);
  const listed = await answered("/digests");
  expect(listed.body).toBe('{"cycles":[20,3,1]}');
  expect(listed.headers.get("cache-control")).toBe("no-store");
  expect(undocumented("GET", "/digests", listed)).toEqual([]);
});

test("no more cycles are listed than a reader takes", async () => {
  for (let cycle = 100; cycle < 180; cycle += 1) await put(server.layout.cycleDigests(cycle), "{}");
  const { cycles } = JSON.parse((await answered("/digests")).body);
  expect([cycles.length, cycles[0], cycles.at(-1)]).toEqual([64, 179, 116]);
});

async function answered(path: string) {
  const response = await fetch(`${server.url}${path}`);
  return { status: response.status, headers: response.headers, body: await response.text() };
}

test.each(["/exports/recent", "/exports/2026/11/21/23.csv"])("%s is CSV for anybody", async (path) => {
  const response = await fetch(`${server.url}${path}`);

  const { status, headers } = response;
  const body = await response.text();
  expect(body).toBe(receiptRows(bundle));
  expect(headers.get("content-type")).toBe("text/csv; charset=utf-8");
  expect(undocumented("GET", path, { status, headers, body })).toEqual([]);
});

test("a miner's place is explained, signed, as the document says", async () => {
  const path = `/explain/${miners[3]?.address}`;
  const response = await fetch(`${server.url}${path}`);

  const { status, headers } = response;
  const body = await response.text();
  expect(JSON.parse(body)).toMatchObject({ explanation: { uid: 4, reason: "duplicate", root: bundle.root } });
  expect(undocumented("GET", path, { status, headers, body })).toEqual([]);
});

test.each([
  "/receipts/2",
  "/digests/2",
  "/digests/01",
  "/receipts/01",
  "/receipts/..%2F..%2Fcurrent.json",
  "/exports/2026/11/21/22.csv",
  "/exports/2026/11/21/23",
  "/exports/..%2f/11/21/23.csv",
  "/explain/__proto__",
  "/explain/5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty",
])("%s is not known", async (path) => {
  expect(await refusalIn(await fetch(`${server.url}${path}`))).toEqual({ status: 404, error: "unknown_receipts" });
});

import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { writeJsonAtomic } from "@assay/checkpoint/atomic-write";
import { type PrivateRedis, startPrivateRedis } from "@assay/testing/redis/private-redis";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { distributeView } from "./chain-views.ts";
import { ALICE, signedHeaders, VERA } from "./miners.ts";
import { bytesOf, fullFile, groupFile, ServerFixture, sha256Of, TOKEN } from "./server-fixture.ts";

const VALUES = [bytesOf("group 0", 3_808), bytesOf("group 1", 3_808)] as const;
const FILE = await groupFile(0, VALUES[0]);
const FULL = await fullFile(VALUES);
const TAG = `"${sha256Of(FILE)}"`;
const STORE = "https://s3.example.org/models/assay/";

// What a real store makes of the URLs: test/compose/object-store.test.ts.
let redis: PrivateRedis;
let server: ServerFixture;
beforeAll(async () => {
  redis = await startPrivateRedis();
  server = await ServerFixture.start({
    redisUrl: redis.url,
    view: distributeView(),
    args: ["--offload.kind=s3", "--object_store.endpoint=https://s3.example.org", "--object_store.bucket=models"],
    env: { OBJECT_STORE_ACCESS_KEY_ID: "the-key", OBJECT_STORE_SECRET_ACCESS_KEY: "the-secret-of-the-key" },
  });
  await server.publish(0, VALUES);
  await server.serve();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await redis.stop();
});

async function record(store: string, ...files: readonly Uint8Array[]): Promise<void> {
  const uploaded = files.map((each) => ({ sha256: sha256Of(each), bytes: each.length }));
  await writeJsonAtomic(server.layout.uploadedFiles, { schema: 1, store, files: uploaded, pending: null });
}

/** Without a client that follows, or adds headers of its own. */
async function ask(headers: Readonly<Record<string, string>> = {}, path = "/model/partial"): Promise<IncomingMessage> {
  const own = { authorization: `Bearer ${TOKEN}`, "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };
  const request = get(`${server.url}${path}`, { headers: { ...own, ...headers }, agent: false });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.resume();
  return response;
}

describe("a file that the evaluator recorded as uploaded", () => {
  beforeEach(() => record(STORE, FILE, FULL));

  test("is answered with a signed URL of the store that ends in a quarter of an hour", async () => {
    const { statusCode, headers } = await ask();

    expect(statusCode).toBe(307);
    const { origin, pathname, searchParams } = new URL(headers.location ?? "");
    expect([origin, pathname]).toEqual(["https://s3.example.org", `/models/assay/${sha256Of(FILE)}`]);
    expect(searchParams.get("X-Amz-Expires")).toBe("900");
    expect(searchParams.get("X-Amz-Credential")).toMatch(/^the-key\/\d{8}\/us-east-1\/s3\/aws4_request$/);
    expect(headers).toMatchObject({
      "cache-control": "no-store",
      "content-length": "0",
      "x-content-hash": `sha256:${sha256Of(FILE)}`,
    });
    expect(JSON.parse(String(headers["x-model-meta"]))).toMatchObject({ expert_group: 0, model_version: "step_0" });
    expect(headers).not.toHaveProperty("etag");
  });

  test("is said to be handed over, and neither URL nor secret is in the log", async () => {
    await ask();

    const { message, fields } = server.logger.records.at(-1) ?? {};
    expect(message).toBe("GET /model/partial handed over");
    expect(fields).toMatchObject({ bytes: 4_000, to: "s3" });
    expect(JSON.stringify(server.logger.records)).not.toMatch(/X-Amz|the-secret/);
    expect(await server.registry.metrics()).toContain(
      'model_server_model_handed_over_bytes_total{endpoint="/model/partial",to="s3"}',
    );
  });

  test.each([
    ["a range", { range: "bytes=1000-" }, 307],
    ["a range under the store's own tag", { range: "bytes=1000-", "if-range": '"abc-2"' }, 307],
    ["a range under our tag", { range: "bytes=1000-", "if-range": TAG }, 206],
    ["If-None-Match of our tag", { "if-none-match": TAG }, 304],
    ["If-Match of our tag", { "if-match": TAG }, 200],
    ["If-Match of another", { "if-match": '"0"' }, 412],
    ["a range behind the end", { range: "bytes=4000-" }, 416],
  ] as const)("%s is answered by who can judge it", async (_case, headers, status) => {
    expect((await ask(headers)).statusCode).toBe(status);
  });

  test("the framed form and what was not uploaded come from the model server", async () => {
    expect((await ask({}, "/model/partial?format=framed")).statusCode).toBe(200);
    expect((await ask({}, "/model/partial?part=shared")).statusCode).toBe(200);
  });

  test("a peer validator is sent on as well, and nobody without a right to the file", async () => {
    const signed = signedHeaders(VERA);
    expect((await ask(signed, "/model/full")).statusCode).toBe(307);
    expect((await ask({}, "/model/full")).statusCode).toBe(403);
    expect((await ask({ "x-expert-group": "1" })).statusCode).toBe(403);
    expect((await ask({ authorization: "Bearer wrong" })).statusCode).toBe(401);
  });
});

test.each([
  ["nothing was uploaded", STORE, []],
  ["the evaluator uploads to another store", "https://s3.example.org/other/assay/", [FILE]],
] as const)("the model server sends everything itself while %s", async (_case, store, files) => {
  await record(store, ...files);

  expect((await ask()).statusCode).toBe(200);
});

import { readFile } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { FAULT_OPTIONS, FAULT_TIMEOUT } from "@assay/testing/network/fault-runs";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { distributeView, submissionView } from "./chain-views.ts";
import { clientFaults, type RawRequest, sendFaulty } from "./fault-client.ts";
import { ALICE, type Keypair, keypair, pushHeaders } from "./miners.ts";
import { openDownload } from "./raw-client.ts";
import { bytesOf, groupFile, publishVersion, sha256Of, TOKEN, until } from "./server-fixture.ts";
import { ServerProcess } from "./server-process.ts";
import { upload } from "./uploads.ts";

const VALUES = 200_000;
const { numRuns, seed } = FAULT_OPTIONS;
/** Few slots, so that one that is never given back is missed. */
const ARGS = ["--rate_limit.requests=1000000", "--transfers.max_in_flight=24", "--transfers.max_per_address=24"];

let server: ServerProcess;
beforeEach(async () => {
  server = await ServerProcess.prepare();
  const logger = createMemoryLogger("publisher");
  await publishVersion({ layout: server.layout, logger }, 0, [bytesOf("zero", VALUES), bytesOf("one", VALUES)]);
});
afterEach(() => server[Symbol.asyncDispose]());

/** Runs the work for each item, some at a time. */
async function inLanes<T>(items: readonly T[], lanes: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const lane = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function submitted(miner: Keypair, content: Uint8Array): Promise<number | undefined> {
  const length = { "content-length": String(content.length) };
  const { request, response } = upload(server, { ...pushHeaders(miner, content), ...length });
  request.end(content);
  return (await response).status;
}

test(`${numRuns} miners whose uploads fail at random bytes lose no submission, also when the server is killed`, {
  timeout: FAULT_TIMEOUT,
}, async () => {
  const miners = Array.from({ length: numRuns }, (_, number) => keypair(`faulty ${number}`));
  const committedHash = "ab".repeat(32);
  server.view = submissionView({
    roster: miners.map(({ hotkey }, uid) => ({ uid, hotkey, role: "miner", group: 0, committedHash })),
  });
  await server.start([...ARGS, "--upload_deadline_seconds=30"]);
  const length = (await groupFile(0, bytesOf("any", VALUES))).length;
  const faults = fc.sample(clientFaults(length), { numRuns, seed });
  const digests = new Map<string, string>();
  const stalled: Socket[] = [];

  await inLanes([...miners.entries()], 8, async ([number, miner]) => {
    const content = await groupFile(0, bytesOf(`submission ${number}`, VALUES));
    digests.set(miner.hotkey, sha256Of(content));
    const headers = { authorization: `Bearer ${TOKEN}`, ...pushHeaders(miner, content) };
    const request: RawRequest = { line: "POST /submit HTTP/1.1", headers, body: content };
    const sockets: Socket[] = [];
    for (const fault of faults[number] ?? []) sockets.push(await sendFaulty(server.url, request, fault));
    // One that hangs stays; a hotkey has two uploads at a time, and this one wants to come in.
    const [hanging, ...others] = sockets.filter((socket) => !socket.destroyed && !socket.writableEnded);
    for (const socket of others) socket.destroy();
    if (hanging !== undefined && stalled.push(hanging) > 8) stalled.shift()?.destroy();
    let status: number | undefined;
    await until(async () => {
      status = await submitted(miner, content);
      return status !== 429 && status !== 503;
    });
    expect([status, await submitted(miner, content)]).toEqual([202, 200]);
  });
  for (const socket of stalled) socket.destroy();

  const files = miners.flatMap(({ hotkey }) => [`175/${hotkey}.json`, `175/${hotkey}.safetensors`]).sort();
  await until(async () => (await server.inboxFiles()).length === files.length);
  await server.kill();
  await server.start(ARGS);
  expect(await server.inboxFiles()).toEqual(files);
  for (const [hotkey, digest] of digests) {
    expect(sha256Of(await readFile(`${server.layout.inbox}/175/${hotkey}.safetensors`))).toBe(digest);
  }
  expect(server.lines.filter((line) => line.includes("[ERROR]"))).toEqual([]);
});

const MINER = { "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };

/** Reads a download's body up to so many bytes and breaks it off there. @returns what came. */
async function readUpTo(response: IncomingMessage, bytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let received = 0;
  try {
    for await (const piece of response) {
      pieces.push(piece);
      received += piece.length;
      if (received >= bytes) break;
    }
  } finally {
    response.destroy();
  }
  return Buffer.concat(pieces).subarray(0, bytes);
}

test(`${numRuns} downloads that are cut at random bytes and resumed lose none, and no slot`, {
  timeout: FAULT_TIMEOUT,
}, async () => {
  server.view = distributeView();
  await server.start([...ARGS, "--transfers.max_per_hotkey=24"]);
  const content = Buffer.from(await groupFile(0, bytesOf("zero", VALUES)));
  const etag = `"${sha256Of(content)}"`;
  const cuts = fc.sample(fc.array(fc.integer({ min: 1, max: VALUES }), { maxLength: 3 }), { numRuns, seed });

  await inLanes(cuts, 4, async (lengths) => {
    let received = Buffer.alloc(0);
    for (const bytes of [...lengths, content.length]) {
      if (received.length === content.length) break;
      const range = received.length === 0 ? {} : { range: `bytes=${received.length}-`, "if-range": etag };
      const response = await openDownload(server.url, { ...MINER, ...range });
      expect([response.statusCode, response.headers.etag]).toEqual([received.length === 0 ? 200 : 206, etag]);
      received = Buffer.concat([received, await readUpTo(response, bytes)]);
    }
    expect(sha256Of(received)).toBe(sha256Of(content));
  });

  const late = await openDownload(server.url, MINER);
  expect(sha256Of(await readUpTo(late, content.length))).toBe(sha256Of(content));
  expect(server.lines.filter((line) => line.includes("[ERROR]"))).toEqual([]);
});

test("readers that stop, and ranges of every kind, get no wrong byte and stop nobody else", {
  timeout: FAULT_TIMEOUT,
}, async () => {
  server.view = distributeView();
  await server.start([...ARGS, "--transfers.max_per_hotkey=24"]);
  const content = Buffer.from(await groupFile(0, bytesOf("zero", VALUES)));
  const stopped = await Promise.all(Array.from({ length: 8 }, () => openDownload(server.url, MINER)));
  const number = fc.oneof(
    fc.nat(content.length),
    fc.constantFrom(content.length + 9, "", "-1", "x", "99999999999999999999"),
  );
  const ranges = fc.tuple(
    fc.constantFrom("bytes", "bytes ", "lines"),
    fc.array(fc.tuple(number, number), { maxLength: 2 }),
  );
  await fc.assert(
    fc.asyncProperty(ranges, async ([unit, pairs]) => {
      const range = `${unit}=${pairs.map(([from, to]) => `${from}-${to}`).join(",")}`;
      const response = await openDownload(server.url, { ...MINER, range });
      const status = response.statusCode ?? 0;
      const body = await readUpTo(response, content.length);
      const told = /^bytes (\d+)-(\d+)\/(\d+)$/
        .exec(response.headers["content-range"] ?? "")
        ?.slice(1)
        .map(Number);
      const [begin = 0, last = content.length - 1] = told ?? [];
      if (status !== 416) expect(body.equals(content.subarray(begin, last + 1))).toBe(true);
      expect([200, 206, 416]).toContain(status);
      const [[from, to] = ["", 0]] = pairs;
      if (status === 206) expect(begin).toBe(from === "" ? Math.max(0, content.length - Number(to)) : Number(from));
    }),
    FAULT_OPTIONS,
  );

  const literal = ["bytes=0-0", "bytes=5-1", `bytes=${content.length}-`, "bytes=-0"];
  const answers = await Promise.all(literal.map((range) => openDownload(server.url, { ...MINER, range })));
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([206, 200, 416, 416]);
  for (const response of [...answers, ...stopped]) response.destroy();
  expect(await statusOf("/livez")).toBe(200);
  expect(server.lines.filter((line) => line.includes("[ERROR]"))).toEqual([]);
});

async function statusOf(path: string): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  get(`${server.url}${path}`, { agent: false }, resolve).on("error", reject);
  const response = await promise;
  response.resume();
  return response.statusCode;
}

import { readFile } from "node:fs/promises";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { RedisConnections } from "@assay/runtime/queue/connection";
import { createQueue } from "@assay/runtime/queue/queues";
import { type PrivateRedis, startPrivateRedis, startRedisServer } from "@assay/testing/redis/private-redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { distributeView, submissionView } from "./chain-views.ts";
import { ALICE, BOB, EDDY, type Keypair, NELL, pullBody, pushHeaders, STRANGER } from "./miners.ts";
import { bytesOf, refusalIn, ServerFixture, sha256Of, until } from "./server-fixture.ts";
import { upload } from "./uploads.ts";

const CONTENT = bytesOf("submission", 300_000);
const JSON_TYPE = { "content-type": "application/json" };
const URL_OF_CHECKPOINT = "https://miner.example/checkpoint.safetensors";

let redis: PrivateRedis;
beforeAll(async () => {
  redis = await startPrivateRedis();
});
afterAll(() => redis.stop());

async function serving(args: readonly string[] = [], redisUrl = redis.url): Promise<ServerFixture> {
  const server = await ServerFixture.start({ redisUrl, view: submissionView(), args });
  return server.serve();
}

function push(server: ServerFixture, headers: Record<string, string>, body: Uint8Array = CONTENT): Promise<Response> {
  return server.fetch("/submit", { method: "POST", headers, body: Buffer.from(body) });
}

function pull(server: ServerFixture, body: string): Promise<Response> {
  return server.fetch("/submit", { method: "POST", headers: JSON_TYPE, body });
}

const payloadOf = (miner: Keypair) => `175/${miner.hotkey}.safetensors`;
const receiptOf = (miner: Keypair) => `175/${miner.hotkey}.json`;

describe("a pushed submission", () => {
  test("is accepted, logged, and lies in the inbox with its receipt", async () => {
    await using server = await serving();

    const response = await push(server, pushHeaders(ALICE, CONTENT));

    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({
      status: "accepted",
      hotkey: ALICE.hotkey,
      expert_group: 0,
      block_number: 176,
      submission_id: "175-1",
    });
    expect(await server.inboxFiles()).toEqual([receiptOf(ALICE), payloadOf(ALICE)].sort());
    const payload = await readFile(`${server.layout.inbox}/${payloadOf(ALICE)}`);
    expect(sha256Of(payload)).toBe(sha256Of(CONTENT));
    expect(JSON.parse(await readFile(`${server.layout.inbox}/${receiptOf(ALICE)}`, "utf8"))).toMatchObject({
      roundId: 175,
      uid: 1,
      hotkey: ALICE.hotkey,
      group: 0,
      signedBlock: 176,
      receivedBlock: 176,
      source: { kind: "push", bytes: 300_000, sha256: sha256Of(CONTENT) },
    });
    const short = `${ALICE.hotkey.slice(0, 5)}...`;
    const published = `[INFO] POST /submit | hotkey: ${short} | group: 0 | block: 176 | accepted`;
    await until(() => server.logger.lines().some((line) => line.startsWith(published)));
    expect(server.logger.lines().find((line) => line.startsWith(published))).toMatch(
      /accepted \| bytes: 300000 \| seconds: [\d.]+ \| status: 202 \| outcome: accepted$/,
    );
  });

  test("may be signed with ed25519 by a key of that type", async () => {
    await using server = await serving();

    expect((await push(server, pushHeaders(EDDY, CONTENT))).status).toBe(202);
  });

  test("repeated is 200 and the same submission; with other bytes it is a duplicate", async () => {
    await using server = await serving();
    const first = await push(server, pushHeaders(ALICE, CONTENT));
    const again = await push(server, pushHeaders(ALICE, CONTENT, { blockNumber: 177 }));
    const other = bytesOf("another", 300_000);
    const changed = await push(server, pushHeaders(ALICE, other), other);

    expect([first.status, again.status]).toEqual([202, 200]);
    expect(await again.json()).toEqual(await first.json());
    expect(await refusalIn(changed)).toEqual({ status: 409, error: "duplicate" });
    expect(sha256Of(await readFile(`${server.layout.inbox}/${payloadOf(ALICE)}`))).toBe(sha256Of(CONTENT));
  });

  test("with bytes other than declared is refused and leaves nothing", async () => {
    await using server = await serving();

    const response = await push(server, pushHeaders(ALICE, CONTENT), bytesOf("other bytes", 300_000));

    expect(await refusalIn(response)).toEqual({ status: 400, error: "content_hash_mismatch" });
    expect(await server.inboxFiles()).toEqual([]);
  });

  test("without bytes is refused", async () => {
    await using server = await serving();
    const empty = new Uint8Array();

    const response = await push(server, pushHeaders(ALICE, empty), empty);

    expect(await refusalIn(response)).toEqual({ status: 400, error: "body_invalid" });
  });

  test("longer than the limit is refused before the first byte, or while it streams", async () => {
    await using server = await serving(["--max_submission_bytes=100000"]);

    const declared = await push(server, pushHeaders(ALICE, CONTENT));
    const { request, response } = upload(server, pushHeaders(ALICE, CONTENT));
    request.write(CONTENT.subarray(0, 150_000));

    expect(await refusalIn(declared)).toEqual({ status: 413, error: "too_large" });
    expect(await response).toEqual({ status: 413, error: "too_large" });
    request.destroy();
    expect(await server.inboxFiles()).toEqual([]);
  });

  test("that does not end in time gets 408 and leaves nothing", async () => {
    await using server = await serving(["--upload_deadline_seconds=1"]);
    const { request, response } = upload(server, pushHeaders(ALICE, CONTENT));
    request.write(CONTENT.subarray(0, 1_000));

    expect(await response).toEqual({ status: 408, error: "upload_deadline" });
    request.destroy();
    expect(await server.inboxFiles()).toEqual([]);
  });

  test("cut in the middle leaves nothing, and the miner may try again at once", async () => {
    await using server = await serving();
    const { request } = upload(server, pushHeaders(ALICE, CONTENT));
    request.write(CONTENT.subarray(0, 100_000));
    await until(async () => (await server.inboxFiles()).length === 1);
    request.destroy();

    await until(async () => (await server.inboxFiles()).length === 0);
    expect((await push(server, pushHeaders(ALICE, CONTENT))).status).toBe(202);
    expect(await server.registry.metrics()).toContain('model_server_submissions_total{source="push",result="cut"} 1');
  });

  test("of two at a time the first that ends stands, a third is turned away", async () => {
    await using server = await serving();
    const other = bytesOf("another", 300_000);
    const slow = upload(server, pushHeaders(ALICE, CONTENT));
    slow.request.write(CONTENT.subarray(0, 100_000));
    await until(async () => (await server.inboxFiles()).length === 1);
    const second = upload(server, pushHeaders(ALICE, other));
    second.request.write(other.subarray(0, 100_000));
    await until(async () => (await server.inboxFiles()).length === 2);

    const third = await push(server, pushHeaders(ALICE, CONTENT));
    second.request.end(other.subarray(100_000));
    const standing = await second.response;
    slow.request.end(CONTENT.subarray(100_000));

    expect(await refusalIn(third)).toEqual({ status: 429, error: "too_many_requests" });
    expect(standing).toMatchObject({ status: 202 });
    expect(await slow.response).toEqual({ status: 409, error: "duplicate" });
    expect(sha256Of(await readFile(`${server.layout.inbox}/${payloadOf(ALICE)}`))).toBe(sha256Of(other));
    expect(await server.inboxFiles()).toEqual([receiptOf(ALICE), payloadOf(ALICE)].sort());
  });

  test("that ends after the phase did is late", async () => {
    await using server = await serving();
    const { request, response } = upload(server, pushHeaders(ALICE, CONTENT));
    request.write(CONTENT.subarray(0, 100_000));
    await until(async () => (await server.inboxFiles()).length === 1);
    await server.setView(distributeView({ block: 180, cycle: 4, phaseFirstBlock: 180, phaseLastBlock: 184 }));
    request.end(CONTENT.subarray(100_000));

    expect(await response).toEqual({ status: 409, error: "wrong_phase" });
    expect(await server.inboxFiles()).toEqual([]);
  });

  test("streams: many megabytes arrive whole", async () => {
    await using server = await serving();
    const large = bytesOf("large", 24 * 1024 * 1024);

    const response = await push(server, pushHeaders(ALICE, large), large);

    expect(response.status).toBe(202);
    expect(sha256Of(await readFile(`${server.layout.inbox}/${payloadOf(ALICE)}`))).toBe(sha256Of(large));
  });
});

describe("checks before the body, in order", () => {
  const good = pushHeaders(ALICE, CONTENT);
  test.each([
    ["no token", { ...good, authorization: "", "content-type": "text/plain" }, 401, "unauthorized"],
    ["another content type", { ...good, "content-type": "text/plain" }, 400, "content_type_unsupported"],
    ["a compressed body", { ...good, "content-encoding": "gzip" }, 400, "content_type_unsupported"],
    ["no hash", { ...good, "x-content-hash": "" }, 400, "header_invalid"],
    ["a hash without its name", { ...good, "x-content-hash": sha256Of(CONTENT) }, 400, "header_invalid"],
    ["a hotkey that is none", { ...good, "x-hotkey": "../../etc/passwd" }, 400, "header_invalid"],
    ["a group that is no number", { ...good, "x-expert-group": "-1" }, 400, "header_invalid"],
    ["a short signature", { ...good, "x-signature": "AAAA" }, 400, "header_invalid"],
    ["another block than signed", { ...good, "x-block-number": "177" }, 403, "signature_invalid"],
    ["another group than signed", { ...good, "x-expert-group": "1" }, 403, "signature_invalid"],
    ["another hotkey than signed", { ...good, "x-hotkey": BOB.hotkey }, 403, "signature_invalid"],
    ["a hotkey without neuron", pushHeaders(STRANGER, CONTENT), 403, "not_registered"],
    ["a foreign group", pushHeaders(ALICE, CONTENT, { expertGroup: 1 }), 403, "group_mismatch"],
    ["a block before the phase", pushHeaders(ALICE, CONTENT, { blockNumber: 174 }), 400, "block_window"],
    ["a block to come", pushHeaders(ALICE, CONTENT, { blockNumber: 179 }), 400, "block_window"],
    ["nothing committed", pushHeaders(NELL, CONTENT), 400, "not_committed"],
  ])("%s", async (_case, headers, status, error) => {
    await using server = await serving();
    const { request, response } = upload(server, headers);
    request.flushHeaders();

    expect(await response).toEqual({ status, error });
    request.destroy();
    expect(await server.inboxFiles()).toEqual([]);
  });

  test("a hotkey whose checksum is wrong has no signature", async () => {
    await using server = await serving();
    const mistyped = `${ALICE.hotkey.slice(0, -1)}${ALICE.hotkey.endsWith("A") ? "B" : "A"}`;

    const response = await push(server, { ...good, "x-hotkey": mistyped });

    expect(await refusalIn(response)).toEqual({ status: 403, error: "signature_invalid" });
  });

  test("the wrong phase comes before the block window and says when to come again", async () => {
    await using server = await serving();
    await server.setView(distributeView());

    const response = await push(server, good);

    expect(await refusalIn(response)).toEqual({ status: 409, error: "wrong_phase" });
    expect([response.headers.get("retry-after"), response.headers.get("x-retry-block")]).toEqual(["468", "175"]);
  });

  test("a large body that nobody wants still gets its reply", async () => {
    await using server = await serving();
    const large = new Uint8Array(8 * 1024 * 1024);

    const response = await push(server, { ...pushHeaders(STRANGER, large) }, large);

    expect(await refusalIn(response)).toEqual({ status: 403, error: "not_registered" });
  });
});

describe("a submission to be pulled", () => {
  test("is accepted as a receipt with its URL", async () => {
    await using server = await serving();

    const response = await pull(server, pullBody(BOB, URL_OF_CHECKPOINT, { expertGroup: 1 }));
    const again = await pull(server, pullBody(BOB, URL_OF_CHECKPOINT, { expertGroup: 1, blockNumber: 177 }));
    const other = await pull(server, pullBody(BOB, `${URL_OF_CHECKPOINT}?v=2`, { expertGroup: 1 }));

    expect([response.status, again.status]).toEqual([202, 200]);
    expect(await refusalIn(other)).toEqual({ status: 409, error: "duplicate" });
    expect(await server.inboxFiles()).toEqual([receiptOf(BOB)]);
    expect(JSON.parse(await readFile(`${server.layout.inbox}/${receiptOf(BOB)}`, "utf8"))).toMatchObject({
      uid: 2,
      source: { kind: "pull", url: URL_OF_CHECKPOINT },
    });
  });

  test.each([
    ["text that is no JSON", "{", 400, "body_invalid"],
    [
      "an unknown key",
      JSON.stringify({ ...JSON.parse(pullBody(BOB, URL_OF_CHECKPOINT)), extra: 1 }),
      400,
      "body_invalid",
    ],
    ["a URL that is none", JSON.stringify({ checkpoint_url: "file:///etc/passwd" }), 400, "body_invalid"],
    [
      "a signature for another URL",
      pullBody(BOB, URL_OF_CHECKPOINT).replace("miner.", "other."),
      403,
      "signature_invalid",
    ],
    ["kilobytes of JSON", JSON.stringify("x".repeat(20_000)), 413, "too_large"],
  ])("%s is refused", async (_case, body, status, error) => {
    await using server = await serving();

    expect(await refusalIn(await pull(server, body))).toEqual({ status, error });
    expect(await server.inboxFiles()).toEqual([]);
  });
});

describe("the download hint", () => {
  test("is a job of the downloads queue, good for one cycle", async () => {
    await using server = await serving();
    await push(server, pushHeaders(ALICE, CONTENT));
    const connections = new RedisConnections({ logger: createMemoryLogger() }, { url: redis.url });
    await connections.start(AbortSignal.timeout(5_000));
    const queue = createQueue("downloads", connections.producer, { prefix: server.queuePrefix });

    await until(async () => (await queue.find("download-175-1")) !== null);

    const job = await queue.find("download-175-1");
    expect(job?.payload).toEqual({ roundId: 175, uid: 1, hotkey: ALICE.hotkey, deadlineBlock: 220 });
    await queue.close();
    await connections.stop();
  });

  test("that cannot be given costs one warning and no submission", async () => {
    const own = await startRedisServer();
    await using server = await serving([], own.url);
    await own.stop();

    const first = await push(server, pushHeaders(ALICE, CONTENT));
    const second = await push(server, pushHeaders(EDDY, CONTENT));

    expect([first.status, second.status]).toEqual([202, 202]);
    const failures = "model_server_download_hint_failures_total 2";
    await until(async () => (await server.registry.metrics()).includes(failures));
    expect(server.logger.lines().filter((line) => line.includes("Cannot queue download jobs"))).toHaveLength(1);
  });
});

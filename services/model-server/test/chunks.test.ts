import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ChunkClient } from "@assay/checkpoint/download/chunk-client";
import { type ChunkList, merkleRoot, parseChunkList } from "@assay/core/chunk-list";
import { type PrivateRedis, startPrivateRedis } from "@assay/testing/redis/private-redis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { distributeView, submissionView } from "./chain-views.ts";
import { ALICE, BOB, STRANGER, signedHeaders, VERA } from "./miners.ts";
import {
  bytesOf,
  describeFull,
  fullFile,
  groupFile,
  publishVersion,
  refusalIn,
  ServerFixture,
  sha256Of,
  TOKEN,
} from "./server-fixture.ts";

const MIB = 1 << 20;
const NEVER = new AbortController().signal;
const VALUES = [bytesOf("group 0", 9 * MIB), bytesOf("group 1", 9 * MIB)] as const;
const alice = { "x-hotkey": ALICE.hotkey };
const bob = { "x-hotkey": BOB.hotkey };

let redis: PrivateRedis;
/** For tests that change nothing. */
let unchanged: ServerFixture;
beforeAll(async () => {
  redis = await startPrivateRedis();
  unchanged = await serving();
});
afterAll(async () => {
  await unchanged[Symbol.asyncDispose]();
  await redis.stop();
});

async function serving(args: readonly string[] = []): Promise<ServerFixture> {
  const server = await ServerFixture.start({ redisUrl: redis.url, view: distributeView(), args });
  await server.publish(0, VALUES);
  return server.serve();
}

async function listOf(server: ServerFixture): Promise<ChunkList> {
  const list = parseChunkList(await (await server.fetch("/model/manifest", { headers: alice })).json());
  if (list === null) throw new Error("The list does not add up");
  return list;
}

function fileOf({ files }: ChunkList, name: string): ChunkList["files"][number] {
  const file = files.find((each) => each.name === name);
  if (file === undefined) throw new Error(`There is no ${name}`);
  return file;
}

/** Digests of pieces of 4 MiB, by other code than the server's. */
function digestsOf(content: Uint8Array): readonly string[] {
  const digests: string[] = [];
  for (let start = 0; start < content.length; start += 4_194_304) {
    digests.push(
      createHash("sha256")
        .update(content.subarray(start, start + 4_194_304))
        .digest("hex"),
    );
  }
  return digests;
}

describe("GET /model/manifest", () => {
  test("lists the chunks of every file under one root, as JSON with an ETag of its own", async () => {
    const response = await unchanged.fetch("/model/manifest", { headers: alice });
    const text = await response.text();
    const list = parseChunkList(JSON.parse(text));

    expect(response.headers.get("etag")).toBe(`"${sha256Of(new TextEncoder().encode(text))}"`);
    expect(response.headers.get("content-type")).toContain("application/json");
    expect(list).toMatchObject({ schema: 1, model_version: "step_0", chunk_bytes: 4 * MIB });
    expect(list?.files.map(({ name, expert_group, chunks }) => [name, expert_group, chunks.length])).toEqual([
      ["shared.safetensors", null, 1],
      ["group-0.safetensors", 0, 3],
      ["group-1.safetensors", 1, 3],
      ["model.safetensors", null, 5],
    ]);
    expect(list?.files[1]).toMatchObject({
      sha256: sha256Of(await groupFile(0, VALUES[0])),
      chunks: digestsOf(await groupFile(0, VALUES[0])),
    });
    expect(list?.files[3]?.chunks).toEqual(digestsOf(await fullFile(VALUES)));
    expect(list?.merkle_root).toBe(merkleRoot(list?.files ?? []));
    const headers = { ...alice, "if-none-match": response.headers.get("etag") ?? "", "cache-control": "max-age=0" };
    expect((await unchanged.fetch("/model/manifest", { headers })).status).toBe(304);
  });

  test("a merge changes the chunks that it changed, in the group's file and in the whole", async () => {
    await using server = await serving();
    const before = await listOf(server);
    const changed = VALUES[0].slice();
    changed[changed.length - 1] = 255 - (changed.at(-1) ?? 0);
    await server.publish(1, [changed, VALUES[1]]);

    const after = await listOf(server);

    const same = (name: string) =>
      fileOf(after, name).chunks.map((digest, index) => digest === fileOf(before, name).chunks[index]);
    expect(after.model_version).toBe("step_1");
    expect(after.merkle_root).not.toBe(before.merkle_root);
    expect(same("group-0.safetensors")).toEqual([true, true, false]);
    expect(same("group-1.safetensors")).toEqual([true, true, true]);
    expect(same("model.safetensors")).toEqual([true, true, false, true, true]);
  });

  test("lists a version's parts first, and the whole when it has been hashed", async () => {
    await using server = await serving();
    const merged = [bytesOf("group 0, merged", VALUES[0].length), VALUES[1]] as const;
    await publishVersion(server, 1, merged, false);

    const parts = await listOf(server);
    await describeFull(server, 1);

    const names = parts.files.map(({ name }) => name);
    expect(names).toEqual(["shared.safetensors", "group-0.safetensors", "group-1.safetensors"]);
    await expect.poll(async () => (await listOf(server)).files.length).toBe(4);
    const whole = await listOf(server);
    expect(whole.files.slice(0, 3)).toEqual(parts.files);
    expect(fileOf(whole, "model.safetensors").chunks).toEqual(digestsOf(await fullFile(merged)));
  });

  test("many who ask at once share one hashing", async () => {
    await using server = await serving();

    const lists = await Promise.all(Array.from({ length: 8 }, () => listOf(server)));

    expect(new Set(lists.map(({ merkle_root }) => merkle_root)).size).toBe(1);
    expect(server.logger.lines().filter((line) => line.includes("Model hashed in chunks"))).toHaveLength(1);
  });
});

describe("GET /model/chunks/:digest", () => {
  test("the chunks of a group, one after the other, are its file", async () => {
    const { chunks } = fileOf(await listOf(unchanged), "group-0.safetensors");
    const pieces: Buffer[] = [];
    for (const digest of chunks) {
      const response = await unchanged.fetch(`/model/chunks/${digest}`, { headers: alice });
      expect([response.status, response.headers.get("etag")]).toEqual([200, `"${digest}"`]);
      pieces.push(Buffer.from(await response.arrayBuffer()));
    }

    expect(sha256Of(Buffer.concat(pieces))).toBe(sha256Of(await groupFile(0, VALUES[0])));
    expect(await unchanged.registry.metrics()).toContain('model_server_requests_total{endpoint="/model/chunks"');
  });

  test("a chunk has ranges and conditions as any file has", async () => {
    const [, digest = ""] = fileOf(await listOf(unchanged), "group-0.safetensors").chunks;
    const file = await groupFile(0, VALUES[0]);

    const headers = { ...alice, range: "bytes=100-199", "if-range": `"${digest}"` };
    const response = await unchanged.fetch(`/model/chunks/${digest}`, { headers });

    expect(response.status).toBe(206);
    expect(response.headers.get("content-range")).toBe(`bytes 100-199/${4 * MIB}`);
    const start = 4 * MIB + 100;
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(file.subarray(start, start + 100));
  });

  test.each([
    ["a miner", "shared.safetensors", alice, 200, undefined],
    ["a miner", "group-0.safetensors", alice, 200, undefined],
    ["a miner", "group-1.safetensors", alice, 403, "part_not_offered"],
    ["another miner", "group-1.safetensors", bob, 200, undefined],
    ["a miner", "model.safetensors", alice, 403, "part_not_offered"],
    ["a stranger", "shared.safetensors", { "x-hotkey": STRANGER.hotkey }, 403, "not_registered"],
    ["nobody", "shared.safetensors", {}, 400, "header_invalid"],
    ["no token", "shared.safetensors", { ...alice, authorization: "" }, 401, "unauthorized"],
  ] as const)("%s and %s", async (_who, name, headers, status, error) => {
    const [digest = ""] = fileOf(await listOf(unchanged), name).chunks;

    const response = await unchanged.fetch(`/model/chunks/${digest}`, { headers });

    if (error === undefined) expect(response.status).toBe(status);
    else expect(await refusalIn(response)).toEqual({ status, error });
    if (!response.bodyUsed) await response.body?.cancel();
  });

  test("the whole model's chunks are for miners where the context is offered", async () => {
    await using server = await serving(["--allow_context"]);
    const [digest = ""] = fileOf(await listOf(server), "model.safetensors").chunks;

    expect((await server.fetch(`/model/chunks/${digest}`, { headers: alice })).status).toBe(200);
  });

  test("a validator that signs has every chunk in every phase, a miner waits for its own", async () => {
    await using server = await serving();
    const [digest = ""] = fileOf(await listOf(server), "model.safetensors").chunks;
    await server.setView(submissionView());
    const path = `/model/chunks/${digest}`;

    const signed = await server.fetch(path, { headers: signedHeaders(VERA, { path, blockNumber: 176 }) });
    const forged = await server.fetch(path, { headers: signedHeaders(ALICE, { path, blockNumber: 176 }) });
    const miner = await server.fetch(path, { headers: alice });

    expect(signed.status).toBe(200);
    expect((await signed.arrayBuffer()).byteLength).toBe(4 * MIB);
    expect(await refusalIn(forged)).toEqual({ status: 403, error: "not_validator" });
    expect(await refusalIn(miner)).toEqual({ status: 503, error: "wrong_phase" });
    expect([miner.headers.get("retry-after"), miner.headers.get("x-retry-block")]).toEqual(["48", "180"]);
  });

  test.each(["00".repeat(32), "nothing", "%2f"])("the unknown chunk %s is not found", async (digest) => {
    const response = await unchanged.fetch(`/model/chunks/${digest}`, { headers: alice });

    expect(await refusalIn(response)).toEqual({ status: 404, error: "unknown_chunk" });
  });
});

describe("our own client", () => {
  test("follows a merge with the chunks that it changed, and a merge in the middle of a download", async () => {
    await using server = await serving();
    const folder = await mkdtemp(join(tmpdir(), "assay-chunks-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    using client = clientOf(server.url);
    const path = join(folder, "group-0.safetensors");
    const fetchGroup = async ({ files, chunk_bytes }: ChunkList) => {
      const file = files.find(({ expert_group }) => expert_group === 0);
      if (file === undefined) throw new Error("There is no group 0");
      return await client.fetch({ path, file, chunkBytes: chunk_bytes, older: [path] }, NEVER);
    };
    const first = await client.list(NEVER);
    expect(await fetchGroup(first)).toEqual({ fetchedBytes: 9 * MIB + 192, reusedBytes: 0 });

    const merged = VALUES[0].slice();
    merged[5 * MIB] = 255 - (merged[5 * MIB] ?? 0);
    await server.publish(1, [merged, VALUES[1]]);
    const second = await client.list(NEVER);
    await server.publish(2, [VALUES[1], VALUES[1]]);
    // The manifest that it holds is of a version that is gone: it is told, and keeps what it has.
    await expect(fetchGroup(second)).rejects.toMatchObject({ code: "CHECKPOINT_DOWNLOAD_REFUSED", retryable: true });
    expect(sha256Of(await readFile(path))).toBe(sha256Of(await groupFile(0, VALUES[0])));

    await server.publish(3, [merged, VALUES[1]]);
    expect(await fetchGroup(await client.list(NEVER))).toEqual({ fetchedBytes: 4 * MIB, reusedBytes: 5 * MIB + 192 });
    expect(sha256Of(await readFile(path))).toBe(sha256Of(await groupFile(0, merged)));
    expect(await readdir(folder)).toEqual(["group-0.safetensors"]);
  });
});

function clientOf(serverUrl: string): ChunkClient {
  return new ChunkClient({
    serverUrl,
    headersFor: () => ({ ...alice, authorization: `Bearer ${TOKEN}` }),
    parallel: 2,
    allowPrivateAddresses: true,
    deadlineMillis: 20_000,
    stallMillis: 5_000,
    attempts: 3,
    retryMillis: 1,
  });
}

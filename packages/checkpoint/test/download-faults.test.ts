import { createHash } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ChunkedFile, type ChunkList, merkleRoot } from "@assay/core/chunk-list";
import { FAULT_OPTIONS, FAULT_TIMEOUT } from "@assay/testing/network/fault-runs";
import { type AnswerFault, openFaultServer } from "@assay/testing/network/fault-server";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ChunkClient } from "../src/download/chunk-client.ts";
import { type DownloadOptions, downloadFile } from "../src/download/download-file.ts";
import { answerFaults } from "./answer-faults.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
/** Long beside the buffers on the way, whose bytes a cut takes along. */
const CONTENT = createHash("shake256", { outputLength: 1_000_003 }).update("model").digest();
const SHA256 = sha256(CONTENT);
const NEVER = new AbortController().signal;

const options: DownloadOptions = {
  allowPrivateAddresses: true,
  deadlineMillis: 60_000,
  stallMillis: 10_000,
  attempts: 5,
  retryMillis: 1,
};
/** Silence ends soon, and more requests may fail than there are faults: a busy machine's answers can be taken for it. */
const impatient = { ...options, stallMillis: 100, attempts: 40 };

async function serveContent() {
  const server = await openFaultServer((path) => (path === "/file" ? CONTENT : null));
  const folder = await temporaryFolder();
  const path = join(folder, "file");
  return {
    server,
    folder,
    path,
    wanted: { url: `${server.url}/file`, path, maxBytes: 1_001_000, expectedSha256: SHA256 },
  };
}

test("whatever a file server does wrong, the file comes whole and nothing else stays", {
  timeout: FAULT_TIMEOUT,
}, async () => {
  const { server, folder, path, wanted } = await serveContent();
  await using _server = server;
  let resumed = 0;
  await fc.assert(
    fc.asyncProperty(answerFaults(CONTENT.length), async (faults) => {
      server.fail(faults);
      const download = await downloadFile(wanted, impatient);
      expect(download).toMatchObject({ kind: "downloaded", bytes: 1_000_003 });
      resumed += download.kind === "downloaded" && download.resumed ? 1 : 0;
      expect(sha256(await readFile(path))).toBe(SHA256);
      expect(await readdir(folder)).toEqual(["file"]);
      await rm(path);
    }),
    FAULT_OPTIONS,
  );
  expect(resumed).toBeGreaterThan(0);
});

test("one download is cut at 100 random bytes and loses none", { timeout: 60_000 }, async () => {
  const { server, folder, path, wanted } = await serveContent();
  await using _server = server;
  const lengths = fc.array(fc.integer({ min: 1, max: 9_900 }), { minLength: 100, maxLength: 100 });
  const [cuts = []] = fc.sample(lengths, { numRuns: 1, seed: FAULT_OPTIONS.seed });
  server.fail(cuts.map((afterBytes): AnswerFault => ({ kind: "cut", afterBytes, how: "end" })));

  // Bytes that come with the end of their connection may be lost, so that a request may bring nothing.
  const download = await downloadFile(wanted, { ...options, retryMillis: 0, attempts: 101 });

  expect(download).toMatchObject({ kind: "downloaded", bytes: 1_000_003, attempts: 101 });
  expect(sha256(await readFile(path))).toBe(SHA256);
  expect(await readdir(folder)).toEqual(["file"]);
});

test.each<[string, AnswerFault]>([
  ["other bytes", { kind: "flipped_bit", at: 5 }],
  ["another file", { kind: "other_file" }],
])("a server that gives %s twice is taken at its word, for inspection to judge", async (_case, fault) => {
  const { server, path, wanted } = await serveContent();
  await using _server = server;
  server.fail([fault, fault]);

  expect(await downloadFile(wanted, options)).toMatchObject({ kind: "downloaded", attempts: 2 });
  expect(sha256(await readFile(path))).not.toBe(SHA256);
});

test("a server that compresses twice is refused, and nothing stays", async () => {
  const { server, folder, wanted } = await serveContent();
  await using _server = server;
  server.fail([{ kind: "encoded" }, { kind: "encoded" }]);

  expect(await downloadFile(wanted, options)).toMatchObject({ kind: "refused", reason: "encoding" });
  expect(await readdir(folder)).toEqual([]);
});

test.each([
  ["seconds", () => "1"],
  ["a date", () => new Date(Date.now() + 2_000).toUTCString()],
])("a server that asks for a pause in %s gets it", async (_case, retryAfter) => {
  const { server, wanted } = await serveContent();
  await using _server = server;
  server.fail([{ kind: "status", status: 503, retryAfter: retryAfter() }]);
  const startedAt = performance.now();

  expect(await downloadFile(wanted, options)).toMatchObject({ kind: "downloaded", attempts: 2 });
  expect(performance.now() - startedAt).toBeGreaterThan(950);
});

const CHUNK = 100_000;

/** The same content as a model server gives it: a list, and its chunks by their digests. */
async function serveChunks() {
  const pieces = Array.from({ length: Math.ceil(CONTENT.length / CHUNK) }, (_, index) =>
    CONTENT.subarray(index * CHUNK, (index + 1) * CHUNK),
  );
  const chunks = new Map(pieces.map((piece) => [sha256(piece), piece]));
  const file: ChunkedFile = {
    name: "f",
    expert_group: null,
    bytes: CONTENT.length,
    sha256: SHA256,
    chunks: [...chunks.keys()],
  };
  const list: ChunkList = {
    schema: 1,
    model_version: "step_1",
    model_digest: "ab".repeat(32),
    chunk_bytes: CHUNK,
    merkle_root: merkleRoot([file]),
    files: [file],
  };
  const manifest = Buffer.from(JSON.stringify(list));
  const server = await openFaultServer((path) =>
    path === "/model/manifest" ? manifest : (chunks.get(path.slice("/model/chunks/".length)) ?? null),
  );
  const folder = await temporaryFolder();
  return { server, folder, path: join(folder, "file"), file };
}

test("whatever a server of chunks does wrong, the file comes whole and nothing else stays", {
  timeout: FAULT_TIMEOUT,
}, async () => {
  const { server, folder, path, file } = await serveChunks();
  await using _server = server;
  using client = new ChunkClient({ ...impatient, serverUrl: server.url, headersFor: () => ({}), parallel: 3 });
  const wanted = { path, file, chunkBytes: CHUNK };
  const faults = fc.array(answerFaults(CHUNK), { minLength: 1, maxLength: 4 }).map((parts) => parts.flat());
  await fc.assert(
    fc.asyncProperty(faults, async (all) => {
      server.fail(all);
      expect(await client.fetch(wanted, NEVER)).toEqual({ fetchedBytes: 1_000_003, reusedBytes: 0 });
      expect(sha256(await readFile(path))).toBe(SHA256);
      expect(await readdir(folder)).toEqual(["file"]);
      await rm(path);
    }),
    FAULT_OPTIONS,
  );
});

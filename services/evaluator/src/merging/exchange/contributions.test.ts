import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sumOfSquares } from "@assay/core/merging/exchange/square-sum";
import type { Announcement } from "@assay/core/merging/exchange/statement";
import { MemoryMergeNetwork } from "@assay/testing/fake/memory-merge-transport";
import { expect, onTestFinished, test } from "vitest";
import { ChunkRoom } from "./chunk-room.ts";
import { Contributions } from "./contributions.ts";
import { encodeChunkTable, writeChunkTable } from "./offered-table.ts";

const CYCLE = 3;
const CHUNK = { index: 0, group: 0, chunk: 0, values: 2, contributors: ["Other", "Self"], reducer: "Self" };
const VALUES = Float32Array.of(3, 4);
const TABLE = { chunks: [{ sha256: createHash("sha256").update(VALUES).digest("hex"), squares: 25 }] };

function announcementOf(author: string): Announcement {
  const contributions = [{ group: 0, values: 2, squares: 25, table: encodeChunkTable(TABLE).sha256 }];
  return { netuid: 2, cycle: CYCLE, author, kind: "announcement", attempt: 0, base: "", momentum: "", contributions };
}

/** What Self sees of the same values, three times as large its own, or none of its own. */
async function viewOfSelf(serve: (to: string, bytes: Uint8Array) => Uint8Array | null, hasOwn = true) {
  const folder = await mkdtemp(join(tmpdir(), "assay-contributions-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const network = new MemoryMergeNetwork();
  const other = network.join("Other", { serve });
  const path = join(folder, "other.f32");
  await writeFile(path, VALUES);
  const offered = { sha256: TABLE.chunks[0]?.sha256 ?? "", path, offset: 0, bytes: VALUES.byteLength };
  await other.offer(CYCLE, [await writeChunkTable(join(folder, "other.json"), TABLE), offered]);
  const own = { group: 0, path: join(folder, "self.f32"), values: 2, squares: 25, uids: [1], ...TABLE };
  await writeFile(
    own.path,
    VALUES.map((value) => 3 * value),
  );
  return new Contributions({
    cycle: CYCLE,
    self: "Self",
    own: new Map(hasOwn ? [[0, own]] : []),
    peers: new Map([["Other", { hotkey: "Other", url: "" }]]),
    members: new Map(CHUNK.contributors.map((each) => [each, announcementOf(each)])),
    transport: network.join("Self"),
  });
}

test("a chunk is averaged over what its contributors offer and have", async () => {
  const contributions = await viewOfSelf((_, bytes) => bytes);
  const averaged = await contributions.average(CHUNK, new Set(), new ChunkRoom(2), new AbortController().signal);
  expect(averaged).toMatchObject({ kind: "averaged", values: Float32Array.of(6, 8) });
  expect(averaged.kind === "averaged" && averaged.parts.map(({ values }) => sumOfSquares(values))).toEqual([25, 225]);
});

test("an average that cannot be made by our fault ends when nobody writes to its room any more", async () => {
  let isAsked = false;
  const contributions = await viewOfSelf((_, bytes) => {
    isAsked ||= bytes.length === VALUES.byteLength;
    return bytes.length === VALUES.byteLength ? null : bytes;
  }, false);
  const ending = new AbortController();
  let hasEnded = false;
  const averaged = contributions.average(CHUNK, new Set(), new ChunkRoom(2), ending.signal).finally(() => {
    hasEnded = true;
  });
  averaged.catch(() => undefined);
  // Our own part fails at once, before anybody is asked.
  await expect.poll(() => isAsked).toBe(true);
  expect(hasEnded).toBe(false);
  ending.abort();
  await expect(averaged).rejects.toThrow("We contribute nothing to group 0");
});

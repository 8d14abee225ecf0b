import { createHash } from "node:crypto";
import { type FileHandle, readFile, rename, rm } from "node:fs/promises";
import { isSystemError, temporaryPath, withFile } from "@assay/checkpoint/atomic-write";
import type { Attempt } from "@assay/core/merging/exchange/exchange";
import type { OfferedChunk } from "@assay/core/merging/exchange/merge-transport";
import { parseStranger } from "@assay/core/merging/exchange/parse-stranger";
import { type DealtChunk, MERGE_CHUNK_BYTES } from "@assay/core/merging/exchange/shards";
import { sumOfSquares } from "@assay/core/merging/exchange/square-sum";
import {
  type ChunkTable,
  chunkTableSchema,
  type ReduceFailure,
  type ReduceFailureReason,
} from "@assay/core/merging/exchange/statement";
import type { Hotkey, Sha256Hex } from "@assay/core/units";
import { bytesOf, digestOf } from "./chunk-bytes.ts";
import type { ChunkRoom, ChunkRooms } from "./chunk-room.ts";
import type { AveragedChunk, Contributions } from "./contributions.ts";
import { encodeChunkTable } from "./offered-table.ts";

/** Our share of the averages, or who kept us from making it. */
export type Reduced =
  | { readonly kind: "reduced"; readonly table: ChunkTable; readonly chunks: readonly OfferedChunk[] }
  | { readonly kind: "failed"; readonly failures: readonly ReduceFailure[] };

/**
 * Averages the chunks that are dealt to us, one after the other, and writes them to a file.
 *
 * Whoever cannot be used is not asked again, but the others are, to the end: the next attempt must know all of them.
 */
export async function reduceChunks(
  {
    attempt,
    self,
    contributions,
    rooms,
    output,
  }: {
    readonly attempt: Attempt;
    readonly self: Hotkey;
    readonly contributions: Contributions;
    /** Nobody else uses them until this has ended. */
    readonly rooms: ChunkRooms;
    readonly output: string;
  },
  signal: AbortSignal,
): Promise<Reduced> {
  const failures = new Map<Hotkey, ReduceFailureReason>();
  const dealt = attempt.deal.filter(({ reducer }) => reducer === self);
  const temporary = temporaryPath(output);
  try {
    const shard = await withFile(temporary, "wx", async (file) => {
      const written = new Shard(file);
      for await (const averaged of averagesAhead({ dealt, contributions, rooms, failures }, signal)) {
        if (averaged.kind === "averaged" && failures.size === 0) await written.append(averaged.values);
      }
      return written;
    });
    if (failures.size > 0 || shard.chunks.length < dealt.length) {
      return { kind: "failed", failures: listOf(failures) };
    }
    await rename(temporary, output);
    return { kind: "reduced", table: { chunks: shard.chunks }, chunks: placesOf(shard.chunks, attempt, self, output) };
  } finally {
    await rm(temporary, { force: true });
  }
}

/** With more contributors that cannot be used: one is enough to make the averages worth nothing. */
export function withFailures(reduced: Reduced, found: readonly ReduceFailure[]): Reduced {
  if (found.length === 0) return reduced;
  const failures = new Map<Hotkey, ReduceFailureReason>();
  note(failures, [...found, ...(reduced.kind === "failed" ? reduced.failures : [])]);
  return { kind: "failed", failures: listOf(failures) };
}

/** The averages of these chunks in order, with the failures that are met noted; one is in use while the next is fetched. */
async function* averagesAhead(
  {
    dealt,
    contributions,
    rooms,
    failures,
  }: {
    readonly dealt: readonly DealtChunk[];
    readonly contributions: Contributions;
    readonly rooms: ChunkRooms;
    readonly failures: Map<Hotkey, ReduceFailureReason>;
  },
  signal: AbortSignal,
): AsyncGenerator<AveragedChunk> {
  const begin = (place: number): Promise<AveragedChunk> | undefined => {
    const chunk = signal.aborted ? undefined : dealt[place];
    const room = rooms[place % rooms.length] as ChunkRoom;
    const averaged = chunk && contributions.average(chunk, new Set(failures.keys()), room, signal);
    averaged?.catch(() => undefined);
    return averaged;
  };
  let next = begin(0);
  try {
    for (let place = 0; next !== undefined; place += 1) {
      const averaged = await next;
      if (averaged.kind === "failed") note(failures, averaged.failures);
      next = begin(place + 1);
      yield averaged;
    }
  } finally {
    // The rooms are others' to use from here on.
    await Promise.allSettled([next]);
  }
}

/** Our share as it was written before a restart; null when what lies there is not what was announced. */
export async function rereadReduced(
  { attempt, self, output }: { readonly attempt: Attempt; readonly self: Hotkey; readonly output: string },
  { path, sha256 }: { readonly path: string; readonly sha256: Sha256Hex },
): Promise<Extract<Reduced, { readonly kind: "reduced" }> | null> {
  const bytes = await readFile(path).catch(nullIfAbsent);
  const table = bytes === null ? null : parseStranger(chunkTableSchema, bytes);
  if (table === null || encodeChunkTable(table).sha256 !== sha256) return null;
  const chunks = placesOf(table.chunks, attempt, self, output);
  return (await areThere(output, chunks)) ? { kind: "reduced", table, chunks } : null;
}

/** Nothing waited for the disk when they were written, so after a power cut they may not be what they were. */
async function areThere(path: string, chunks: readonly OfferedChunk[]): Promise<boolean> {
  const memory = new Uint8Array(MERGE_CHUNK_BYTES);
  return await withFile(path, "r", async (file) => {
    for (const { sha256, offset, bytes } of chunks) {
      const { bytesRead } = await file.read(memory, 0, bytes, offset);
      const found = createHash("sha256").update(memory.subarray(0, bytesRead)).digest("hex");
      if (found !== sha256) return false;
    }
    return true;
  }).catch((error: unknown) => nullIfAbsent(error) ?? false);
}

const FLOAT32_BYTES = 4;

/** Where each of our averages lies, one after the other. */
function placesOf(
  chunks: ChunkTable["chunks"],
  { deal }: Attempt,
  self: Hotkey,
  path: string,
): readonly OfferedChunk[] {
  let offset = 0;
  return deal
    .filter(({ reducer }) => reducer === self)
    .map(({ values }, place) => {
      const bytes = values * FLOAT32_BYTES;
      const offered = { sha256: chunks[place]?.sha256 ?? "", path, offset, bytes };
      offset += bytes;
      return offered;
    });
}

/** The averages so far, one after the other in a file. */
class Shard {
  readonly chunks: ChunkTable["chunks"][number][] = [];
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async append(values: Float32Array): Promise<void> {
    const sha256 = digestOf(values);
    await this.#file.writeFile(bytesOf(values));
    this.chunks.push({ sha256, squares: sumOfSquares(values) });
  }
}

function nullIfAbsent(error: unknown): null {
  if (isSystemError(error, "ENOENT")) return null;
  throw error;
}

function note(failures: Map<Hotkey, ReduceFailureReason>, found: readonly ReduceFailure[]): void {
  for (const { contributor, reason } of found) failures.set(contributor, reason);
}

function listOf(failures: ReadonlyMap<Hotkey, ReduceFailureReason>): readonly ReduceFailure[] {
  return [...failures].map(([contributor, reason]) => ({ contributor, reason }));
}

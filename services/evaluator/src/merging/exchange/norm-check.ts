import { join } from "node:path";
import { writeFileAtomic } from "@assay/checkpoint/atomic-write";
import { type AveragedPart, isBeyondMean } from "@assay/core/merging/exchange/average-bound";
import type { MergeTransport } from "@assay/core/merging/exchange/merge-transport";
import type { DealtChunk } from "@assay/core/merging/exchange/shards";
import { sumOfSquares } from "@assay/core/merging/exchange/square-sum";
import type { ChunkTable } from "@assay/core/merging/exchange/statement";
import { float32Of } from "./chunk-bytes.ts";
import type { Contributions } from "./contributions.ts";

/** A chunk's average as its reducer's table has it. */
export type AnnouncedAverage = ChunkTable["chunks"][number];
/** By chunk number its average, as its reducer announced it. */
export type AnnouncedAverages = ReadonlyMap<number, AnnouncedAverage>;

/**
 * Whether an average cannot be one of its contributors' chunks, by what their tables say of these: nobody needs the
 * chunks themselves, which a reducer may hide that contributes to what it averages.
 *
 * @param bytes what has the announced digest
 * @returns null when a contributor's table is nowhere to be had, which says nothing about the average.
 */
export async function isImpossibleAverage(
  contributions: Contributions,
  { chunk, bytes, announced }: Average & { readonly bytes: Uint8Array },
  signal: AbortSignal,
): Promise<boolean | null> {
  const squares = sumOfSquares(float32Of(bytes));
  if (squares !== announced.squares) return true;
  const parts = await partsOf(contributions, chunk, signal);
  return parts && isBeyondMean({ squares, values: chunk.values }, parts);
}

interface Average {
  readonly chunk: DealtChunk;
  readonly announced: AnnouncedAverage;
}

/** Whether somebody else finds with reason that an average is impossible. What cannot be had proves nothing. */
export async function isFoundImpossible(
  contributions: Contributions,
  { chunk, announced }: Average,
  signal: AbortSignal,
): Promise<boolean> {
  const bytes = { exactly: chunk.values * Float32Array.BYTES_PER_ELEMENT };
  const fetched = await contributions.fetch(chunk.reducer, { sha256: announced.sha256, bytes }, signal);
  if (fetched.kind === "failed") return false;
  return (await isImpossibleAverage(contributions, { chunk, announced, bytes: fetched.bytes }, signal)) === true;
}

/** Offers an impossible average: others need not get it from whoever made it. All have the tables. */
export async function offerImpossible(
  { cycle, folder, transport }: { readonly cycle: number; readonly folder: string; readonly transport: MergeTransport },
  { chunk, announced, bytes }: Average & { readonly bytes: Uint8Array },
): Promise<void> {
  const path = join(folder, `evidence-${chunk.index}`);
  await writeFileAtomic(path, bytes);
  await transport.offer(cycle, [{ sha256: announced.sha256, path, offset: 0, bytes: bytes.length }]);
}

async function partsOf(
  contributions: Contributions,
  { group, chunk, contributors }: DealtChunk,
  signal: AbortSignal,
): Promise<readonly AveragedPart[] | null> {
  const parts: AveragedPart[] = [];
  for (const contributor of contributors) {
    const table = await contributions.table(group, contributor, signal);
    const entry = typeof table === "string" ? undefined : table.chunks[chunk];
    if (entry === undefined) return null;
    parts.push({ squares: entry.squares, weight: contributions.weightOf(contributor) });
  }
  return parts;
}

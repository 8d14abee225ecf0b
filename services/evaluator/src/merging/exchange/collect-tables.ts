import { join } from "node:path";
import type { Attempt } from "@assay/core/merging/exchange/exchange";
import type { MergeTransport } from "@assay/core/merging/exchange/merge-transport";
import type { Announcement, ChunkTable, ReduceFailure } from "@assay/core/merging/exchange/statement";
import type { Hotkey } from "@assay/core/units";
import type { Contributions } from "./contributions.ts";
import { writeChunkTables } from "./offered-table.ts";

export interface TableRequest {
  readonly cycle: number;
  readonly self: Hotkey;
  readonly attempt: Attempt;
  readonly contributions: Contributions;
  readonly transport: MergeTransport;
  /** Where they go, to be offered on. */
  readonly folder: string;
}

/**
 * Fetches the chunk tables of everything that an attempt averages, also of what we do not average ourselves: every
 * average is held against them later. What we have we offer on.
 *
 * @returns whose could not be had or are wrong. Such a contributor counts as one whose chunks cannot be used: it is
 *   agreed then whether it goes on, while there is time for an attempt without it.
 */
export async function collectTables(request: TableRequest, signal: AbortSignal): Promise<readonly ReduceFailure[]> {
  const others = [...request.attempt.members].filter(([hotkey]) => hotkey !== request.self);
  const failures = await Promise.all(others.map(([, announcement]) => collectOf(request, announcement, signal)));
  return failures.filter((each) => each !== null);
}

/** One after the other, to the first that fails. */
async function collectOf(
  { cycle, attempt, contributions, transport, folder }: TableRequest,
  { author: contributor, contributions: announced }: Announcement,
  signal: AbortSignal,
): Promise<ReduceFailure | null> {
  const tables: ChunkTable[] = [];
  for (const { group } of announced) {
    const table = await contributions.table(group, contributor, signal);
    if (typeof table === "string") return { contributor, reason: table };
    tables.push(table);
  }
  if (tables.length === 0) return null;
  const path = join(folder, `tables-${attempt.attempt}-${contributor}.json`);
  await transport.offer(cycle, await writeChunkTables(path, tables));
  return null;
}

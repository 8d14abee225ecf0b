import { join } from "node:path";
import type { MergeTransport, OfferedChunk } from "@assay/core/merging/exchange/merge-transport";
import { CHUNK_VALUES } from "@assay/core/merging/exchange/shards";
import type { Contribution } from "@assay/core/merging/exchange/statement";
import type { ExpertGroup } from "@assay/core/units";
import type { GradientFile } from "../local-gradients.ts";
import { writeChunkTable } from "./offered-table.ts";

const FLOAT32_BYTES = 4;

/** Writes what peers need to average ours, and offers it. @returns what is to be announced, by group. */
export async function offerOwn(
  {
    cycle,
    own,
    folder,
  }: { readonly cycle: number; readonly own: ReadonlyMap<ExpertGroup, GradientFile>; readonly folder: string },
  transport: MergeTransport,
): Promise<readonly Contribution[]> {
  const contributions: Contribution[] = [];
  for (const [group, { path, values, squares, chunks }] of [...own].sort(([a], [b]) => a - b)) {
    const table = await writeChunkTable(join(folder, `table-${group}.json`), { chunks });
    const offered = chunks.map(({ sha256 }, chunk): OfferedChunk => {
      const offset = chunk * CHUNK_VALUES;
      const bytes = Math.min(CHUNK_VALUES, values - offset) * FLOAT32_BYTES;
      return { sha256, path, offset: offset * FLOAT32_BYTES, bytes };
    });
    await transport.offer(cycle, [table, ...offered]);
    contributions.push({ group, values, squares, table: table.sha256 });
  }
  return contributions;
}

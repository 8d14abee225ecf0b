import { dirname } from "node:path";
import { type CheckpointLayout, DIGESTS_FILE } from "./layout.ts";
import { listNumbered, namesIn } from "./numbered-folders.ts";

/** Cycles whose digests lie here, the newest first, at most so many. */
export async function cyclesWithDigests(layout: CheckpointLayout, most: number): Promise<readonly number[]> {
  const cycles = await listNumbered(layout.receipts);
  const found: number[] = [];
  for (const cycle of cycles.toReversed()) {
    if (found.length === most) break;
    if (await hasDigests(layout, cycle)) found.push(cycle);
  }
  return found;
}

/** Whether a cycle's digests lie where they are served from. */
export async function hasDigests(layout: CheckpointLayout, cycle: number): Promise<boolean> {
  return (await namesIn(dirname(layout.cycleDigests(cycle)))).includes(DIGESTS_FILE);
}

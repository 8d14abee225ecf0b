import { type CycleSchedule, phaseWindow } from "@assay/core/cycle/phase";
import type { BlockNumber } from "@assay/core/units";

/** Blocks in which a merge may still be published when the schedule gives it no phase of its own. */
const MERGE_BLOCKS_WITHOUT_PHASE = 2;

/** The blocks that decide when a cycle's work after its submissions is due. */
export interface CycleWindows {
  readonly submissionFirst: BlockNumber;
  readonly submissionLast: BlockNumber;
  /** From here on the merge takes the best of what was measured, as soon as all is measured. */
  readonly mergeFirst: BlockNumber;
  /** At this block the merge takes what there is. */
  readonly mergeLast: BlockNumber;
  /** After this block a merge would reach no miner of the next cycle and is given up. */
  readonly mergeGivenUpAfter: BlockNumber;
}

/** Derives the windows of a cycle from the phase lengths alone. */
export function cycleWindows(cycle: number, schedule: CycleSchedule): CycleWindows {
  const submission = phaseWindow(cycle, "submission", schedule);
  const merge = phaseWindow(cycle, "merge", schedule);
  const next = phaseWindow(cycle + 1, "distribute", schedule);
  const hasPhase = merge.lastBlock >= merge.firstBlock;
  return {
    submissionFirst: submission.firstBlock,
    submissionLast: submission.lastBlock,
    mergeFirst: merge.firstBlock,
    mergeLast: hasPhase ? merge.lastBlock : merge.firstBlock + MERGE_BLOCKS_WITHOUT_PHASE,
    mergeGivenUpAfter: next.lastBlock,
  };
}

import { type CycleSchedule, phaseWindow } from "@assay/core/cycle/phase";
import type { BlockNumber } from "@assay/core/units";

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

/**
 * Derives the windows of a cycle from the phase lengths alone.
 *
 * Without a phase of its own the merge has the next cycle's Distribute but for its last block: the block that seeds
 * the evaluation is final only some blocks after submissions closed, so there is no time to lose.
 */
export function cycleWindows(cycle: number, schedule: CycleSchedule): CycleWindows {
  const submission = phaseWindow(cycle, "submission", schedule);
  const merge = phaseWindow(cycle, "merge", schedule);
  const next = phaseWindow(cycle + 1, "distribute", schedule);
  const hasPhase = merge.lastBlock >= merge.firstBlock;
  return {
    submissionFirst: submission.firstBlock,
    submissionLast: submission.lastBlock,
    mergeFirst: merge.firstBlock,
    mergeLast: hasPhase ? merge.lastBlock : Math.max(merge.firstBlock, next.lastBlock - 1),
    mergeGivenUpAfter: next.lastBlock,
  };
}

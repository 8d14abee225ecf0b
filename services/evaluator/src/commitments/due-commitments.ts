import type { ChainHead } from "@assay/chain/chain-client";
import { type PhaseWindow, phaseAt, phaseWindow } from "@assay/core/cycle/phase";
import type { Network } from "@assay/core/network";
import type { Ledger } from "@assay/ledger/ledger";
import type { MergeRecord } from "@assay/ledger/merges";

const STEPS = ["validatorCommit1", "validatorCommit2"] as const;

/** One commitment that is due: which, of what, and in which blocks. */
export interface DueCommitment {
  readonly step: (typeof STEPS)[number];
  readonly merge: MergeRecord;
  readonly window: PhaseWindow;
}

/**
 * What is not done yet of the running cycle and the one before, whose merges were published, its phase being open or
 * over: the last phase of a cycle is over when the next cycle runs.
 */
export async function dueCommitments(
  ledger: Pick<Ledger, "steps" | "merges">,
  { schedule }: Network,
  head: ChainHead,
): Promise<readonly DueCommitment[]> {
  const { cycle: running } = phaseAt(head.number, schedule);
  const due: DueCommitment[] = [];
  for (const cycle of [running - 1, running]) {
    for (const step of cycle < 0 ? [] : STEPS) {
      const window = phaseWindow(cycle, step, schedule);
      const hasBegun = window.lastBlock >= window.firstBlock && head.number >= window.firstBlock;
      if (!hasBegun || (await ledger.steps.done(cycle, step))) continue;
      const merge = await ledger.merges.get(cycle);
      if (merge !== null) due.push({ step, merge, window });
    }
  }
  return due;
}

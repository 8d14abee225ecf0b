import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import type { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";
import { type PhaseWindow, phaseAt, phaseWindow } from "@assay/core/cycle/phase";
import type { Network } from "@assay/core/network";
import type { Ledger } from "@assay/ledger/ledger";
import type { MergeRecord } from "@assay/ledger/merges";

const STEPS = ["validatorCommit1", "validatorCommit2"] as const;

/** The version that says: I took no part in this cycle's merge. The hash beside it is of the version that I have. */
export const TOOK_NO_PART = 0;

/** One commitment that is due: which, of what, and in which blocks. */
export interface DueCommitment {
  readonly step: (typeof STEPS)[number];
  /** What was merged; under version {@link TOOK_NO_PART} what we have instead. */
  readonly merge: Pick<MergeRecord, "cycle" | "version" | "digest">;
  readonly window: PhaseWindow;
}

/** What is asked for what was merged, and with whom. */
export interface CommitmentSources {
  readonly chain: Pick<ChainClient, "hotkey">;
  readonly ledger: Pick<Ledger, "steps" | "merges" | "mergeEnds">;
  readonly store: Pick<CheckpointReader, "current">;
}

/**
 * What is not done yet of the running cycle and the one before, whose merges were published, or had others to merge
 * with and gave us nothing to publish; its phase being open or over: the last phase of a cycle is over when the next
 * cycle runs.
 */
export async function dueCommitments(
  sources: CommitmentSources,
  { schedule }: Network,
  head: ChainHead,
): Promise<readonly DueCommitment[]> {
  const { cycle: running } = phaseAt(head.number, schedule);
  const due: DueCommitment[] = [];
  for (const cycle of [running - 1, running]) {
    for (const step of cycle < 0 ? [] : STEPS) {
      const window = phaseWindow(cycle, step, schedule);
      const hasBegun = window.lastBlock >= window.firstBlock && head.number >= window.firstBlock;
      if (!hasBegun || (await sources.ledger.steps.done(cycle, step))) continue;
      const merge = await committedMerge(cycle, sources);
      if (merge !== null) due.push({ step, merge, window });
    }
  }
  return due;
}

async function committedMerge(
  cycle: number,
  { chain, ledger, store }: CommitmentSources,
): Promise<DueCommitment["merge"] | null> {
  const merge = await ledger.merges.get(cycle);
  if (merge !== null) return merge;
  const end = await ledger.mergeEnds.get(cycle);
  const current = await store.current();
  const hadOthers = end?.expected.some((hotkey) => hotkey !== chain.hotkey) === true;
  const wasMissed = hadOthers && end.result !== "published";
  return wasMissed && current !== null ? { cycle, version: TOOK_NO_PART, digest: current.digest } : null;
}

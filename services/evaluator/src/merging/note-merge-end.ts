import type { ModelManifest } from "@assay/core/model-manifest";
import type { Round } from "@assay/core/round/round";
import type { BlockNumber } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { MergeEndRecord } from "@assay/ledger/merge-ends";
import type { MergeRecord } from "@assay/ledger/merges";
import type { Logger } from "@assay/runtime/logging/logger";
import type { EvaluatorMetrics } from "../metrics.ts";
import { agreementRate, disagreementCause } from "./agreement-rate.ts";

/** Step under which a cycle's merge is marked as done, whatever came of it. */
export const MERGE_STEP = "merge";

export interface MergeEndComponents {
  readonly ledger: Ledger;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

/** How a cycle's merge ended, and what it published, if anything. */
export interface EndedMerge {
  readonly round: Round;
  readonly block: BlockNumber;
  readonly end: Omit<MergeEndRecord, "cycle">;
  /** From the merge's first block on; null for one without others. */
  readonly seconds: number | null;
  readonly published: {
    readonly manifest: ModelManifest;
    /** Our own part in it. */
    readonly taken: MergeRecord["groups"];
    /** How many groups changed. */
    readonly groups: number;
  } | null;
}

/** Why nothing was published where an operator should know: ours to look into, or the others'. */
const REMARKS: Readonly<Record<string, string>> = {
  nothing_to_merge: "Nothing to merge: no submission improved the model",
  given_up: "Merge given up: the next cycle's miners have their model already",
  not_expected: "Others merge and we may not: no permit or no axon on chain, or the network names others",
  behind: "The other validators agreed on a version that we have not",
  no_quorum: "Too few validators were left to merge",
  left_out: "We were left out of the merge",
  out_of_time: "The merge ran out of attempts",
  wrong_average: "Nothing is published: an average was wrong",
  no_majority: "Nothing is published: no version has a majority",
};

/** Writes a cycle's end down, tells it and marks the step. Safe to repeat after a kill. */
export async function noteMergeEnd(merge: EndedMerge, components: MergeEndComponents): Promise<void> {
  const { ledger, metrics, logger } = components;
  const { round, block, end, published } = merge;
  const { cycle, id: roundId } = round;
  if (published !== null) await notePublished(merge, published, components);
  else await ledger.events.append({ kind: `merge_${end.result}`, block, fields: { roundId } });
  for (const { hotkey, reason } of end.leftOut) {
    metrics.leftOutOfMerges.inc({ reason });
    logger.warn("Validator left out of the merge", { round: roundId, hotkey, reason });
  }
  await ledger.mergeEnds.record({ cycle, ...end });
  await ledger.steps.mark(cycle, MERGE_STEP, { block });
  metrics.merges.inc({ result: end.result });
  if (merge.seconds !== null) metrics.mergeSeconds.observe(merge.seconds);
  const cause = disagreementCause(end);
  if (cause !== null) metrics.disagreements.inc({ cause });
  await measureAgreement(components, cycle);
  const remark = REMARKS[end.result];
  if (remark !== undefined) logger.warn(remark, { round: roundId });
}

/** Sets the published rate from what the ledger remembers. */
export async function measureAgreement(
  { ledger, metrics }: Pick<MergeEndComponents, "ledger" | "metrics">,
  newestCycle: number,
): Promise<void> {
  const rate = await agreementRate(ledger, newestCycle);
  if (rate !== null) metrics.agreementRate.set(rate);
}

async function notePublished(
  { round, end, seconds }: EndedMerge,
  { manifest: { version, digest }, taken, groups }: NonNullable<EndedMerge["published"]>,
  { ledger, logger }: MergeEndComponents,
): Promise<void> {
  await ledger.merges.record({ cycle: round.cycle, version, digest, groups: taken });
  const { members, synced } = end;
  logger.info(`Inter-validator merging complete: ${synced.length}/${members.length} validators synced`, {
    round: round.id,
    version,
    groups,
    digest: digest.slice(0, 12),
    ...(seconds !== null && { seconds: Math.round(seconds * 10) / 10 }),
  });
}

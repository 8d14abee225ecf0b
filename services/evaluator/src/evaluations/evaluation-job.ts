import type { EvaluationJob } from "@assay/core/jobs/catalog";
import type { Round } from "@assay/core/round/round";
import type { Accepted } from "./round-work.ts";

/** What a worker needs to know to measure an accepted submission on all of the round's batches. */
export function evaluationJob(round: Round, seed: string, { uid, hotkey, group, submission }: Accepted): EvaluationJob {
  return {
    roundId: round.id,
    uid,
    hotkey,
    group,
    baseVersion: round.baseVersion,
    submissionPath: submission.path,
    submissionSha256: submission.sha256,
    seed,
    deadlineBlock: round.evaluationDeadline,
  };
}

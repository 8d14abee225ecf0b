import type { Round } from "@assay/core/round/round";
import type { MeasuredSubmission } from "@assay/core/scoring/policies/scoring-policy";
import { onCommonText, type SubmissionOnBatches } from "@assay/core/scoring/sequential/common-text";
import type { EvaluationRecord } from "@assay/ledger/evaluations";

/** What was measured of a round's roster, in its order; losses of one group compare with each other. */
export function measuredSubmissions(
  { roster }: Round,
  evaluations: readonly EvaluationRecord[],
): readonly MeasuredSubmission[] {
  const byUid = new Map(evaluations.map((evaluation) => [evaluation.uid, evaluation]));
  return onCommonText(
    roster.flatMap(({ uid, hotkey, group }): readonly SubmissionOnBatches[] => {
      const evaluation = byUid.get(uid);
      if (evaluation?.kind !== "scored") return [];
      const { lossBefore, lossAfter, batchLosses } = evaluation;
      return [{ uid, hotkey, group, lossBefore, lossAfter, batchLosses }];
    }),
  );
}

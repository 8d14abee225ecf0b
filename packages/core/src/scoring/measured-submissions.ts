import type { Round } from "../round/round.ts";
import type { EvaluationOutcome, FailedEvaluation } from "./outcome.ts";
import type { MeasuredSubmission } from "./policies/scoring-policy.ts";
import { onCommonText, type SubmissionOnBatches } from "./sequential/common-text.ts";

/** What was measured of a round's roster, in its order; losses of one group compare with each other. */
export function measuredSubmissions(
  { roster }: Pick<Round, "roster">,
  evaluations: readonly (EvaluationOutcome | FailedEvaluation)[],
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

import type { Bundle } from "../receipts/bundle.ts";
import { roundFindings } from "../receipts/check-scores.ts";
import { measuredSubmissions } from "../scoring/measured-submissions.ts";
import { scoringPolicy } from "../scoring/policies/policies.ts";
import type { MeasuredSubmission } from "../scoring/policies/scoring-policy.ts";
import type { Uid } from "../units.ts";

/**
 * How far another device can move a score of this round: the largest change of any `w` when its losses move by their
 * band for it and everybody else's against it, or the other way round. 0 when nobody was measured.
 *
 * A moving average of scores that lie no further apart than this lies no further apart either.
 *
 * @throws AppError `SCORE_BASE_LOSS_INVALID` for a base loss that is worth nothing even before it moves.
 */
export function scoreTolerance(bundle: Bundle): number {
  const policy = scoringPolicy(bundle.header.network.evaluation.policy);
  const measured = measuredSubmissions(bundle.header.round, roundFindings(bundle).evaluations);
  const bands = bandsOf(bundle);
  const scores = policy(measured);
  const moves = measured.map(({ uid }) => {
    const scoreWith = (sign: 1 | -1) =>
      policy(measured.map((each) => moved(each, each.uid === uid ? sign : -sign, bands))).get(uid)?.w ?? 0;
    const w = scores.get(uid)?.w ?? 0;
    return Math.max(scoreWith(1) - w, w - scoreWith(-1));
  });
  return Math.max(0, ...moves);
}

function bandsOf({ receipts }: Bundle): ReadonlyMap<Uid, number> {
  return new Map(
    receipts.flatMap(({ receipt: { uid, evaluation } }) =>
      evaluation.kind === "scored" ? [[uid, evaluation.band] as const] : [],
    ),
  );
}

/** Losses moved by the band, so that the submission looks better or worse. A base loss stays above 0. */
function moved(submission: MeasuredSubmission, sign: number, bands: ReadonlyMap<Uid, number>): MeasuredSubmission {
  const { uid, lossBefore, lossAfter } = submission;
  const band = sign * (bands.get(uid) ?? 0);
  return { ...submission, lossBefore: Math.max(lossBefore + band, lossBefore / 2), lossAfter: lossAfter - band };
}

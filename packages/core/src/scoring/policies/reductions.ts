import { reductionOf, scoreOf } from "../score.ts";
import type { MeasuredSubmission, PolicyScore, ScoringPolicy } from "./scoring-policy.ts";

const POWER = 1.2;

/**
 * `w = max(0, before - after) / before`.
 *
 * @see packages/docs/protocol.md §7.2; the published log line 4.321, 3.512 gives 0.187
 */
export const relativeReduction: ScoringPolicy = eachAlone(({ lossBefore, lossAfter }) =>
  scoreOf(lossBefore, lossAfter),
);

/**
 * `w = max(0, before - after)` in nats per token, the published formula without a constant.
 *
 * @see packages/docs/protocol.md §7.5
 */
export const absoluteReduction: ScoringPolicy = eachAlone(({ lossBefore, lossAfter }) =>
  reductionOf(lossBefore, lossAfter),
);

/**
 * `w = max(0, before - after) ^ 1.2`, the later code's score before it ranks.
 *
 * The one policy that is no plain arithmetic: the language leaves the last bit of a power to the engine.
 *
 * @see packages/docs/protocol.md §7.5
 */
export const reductionPower: ScoringPolicy = eachAlone(
  ({ lossBefore, lossAfter }) => reductionOf(lossBefore, lossAfter) ** POWER,
);

/**
 * Each reduction in nats per token over the sum of all of the round; nobody has a share where nobody improved.
 *
 * @see packages/docs/protocol.md §7.5
 */
export function cycleShare(submissions: readonly MeasuredSubmission[]): ReadonlyMap<number, PolicyScore> {
  const reductions = [...submissions]
    // Additions in one order, so that every validator has the same sum.
    .sort((a, b) => a.uid - b.uid)
    .map(({ uid, lossBefore, lossAfter }) => ({ uid, reduction: reductionOf(lossBefore, lossAfter) }));
  const sum = reductions.reduce((total, { reduction }) => total + reduction, 0);
  return new Map(reductions.map(({ uid, reduction }) => [uid, paid(sum > 0 ? reduction / sum : 0)]));
}

function eachAlone(score: (submission: MeasuredSubmission) => number): ScoringPolicy {
  return (submissions) => new Map(submissions.map((submission) => [submission.uid, paid(score(submission))]));
}

function paid(w: number): PolicyScore {
  return { w, reason: w > 0 ? null : "no_improvement" };
}

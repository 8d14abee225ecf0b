import type { Uid } from "../../units.ts";
import { reductionOf } from "../score.ts";
import type { MeasuredSubmission, PolicyScore } from "./scoring-policy.ts";

/** Points of the first, second and third rank. */
const RANK_POINTS = [2.25, 1.5, 1] as const;

/**
 * The later code's points of a round: 2.25, 1.5 and 1 for the three largest reductions, 0 for all others.
 *
 * A reduction that another submission has as well, to the last bit, earns nothing and takes no rank; nor does one that
 * is not above 0. Ranks are taken of the reductions themselves: their powers have the same order.
 *
 * @see packages/docs/protocol.md §7.5
 */
export function rankPoints(submissions: readonly MeasuredSubmission[]): ReadonlyMap<Uid, PolicyScore> {
  const reductions = submissions.map(({ uid, lossBefore, lossAfter }) => ({
    uid,
    reduction: reductionOf(lossBefore, lossAfter),
  }));
  const holders = new Map<number, number>();
  for (const { reduction } of reductions) holders.set(reduction, (holders.get(reduction) ?? 0) + 1);
  const ranked = reductions
    .filter(({ reduction }) => reduction > 0 && holders.get(reduction) === 1)
    .sort((a, b) => b.reduction - a.reduction)
    .map(({ uid }) => uid);
  return new Map(
    reductions.map(({ uid, reduction }) => {
      const w = RANK_POINTS[ranked.indexOf(uid)] ?? 0;
      return [uid, { w, reason: w > 0 ? null : unpaid(reduction, holders.get(reduction) ?? 1) }];
    }),
  );
}

function unpaid(reduction: number, holders: number): PolicyScore["reason"] {
  if (reduction <= 0) return "no_improvement";
  return holders > 1 ? "tied" : "outranked";
}

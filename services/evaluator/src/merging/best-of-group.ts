import { bestSubmissions } from "@assay/core/merging/pseudo-gradient";
import type { Round } from "@assay/core/round/round";
import { measuredSubmissions } from "@assay/core/scoring/measured-submissions";
import { scoreOf } from "@assay/core/scoring/score";
import type { ExpertGroup, Hotkey, Uid } from "@assay/core/units";
import type { EvaluationRecord } from "@assay/ledger/evaluations";

/** One of the submissions that lowered their group's loss most. */
export interface Best {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly w: number;
}

/**
 * The best submissions of each group that improved the model, best first; on equal scores the lower UID. Ordered by
 * group; a group without any is left out.
 *
 * @param count how many of each group at most
 */
export function bestOfEachGroup(
  round: Round,
  evaluations: readonly EvaluationRecord[],
  count: number,
): ReadonlyMap<ExpertGroup, readonly Best[]> {
  const candidates = new Map<ExpertGroup, { uid: Uid; hotkey: Hotkey; score: number }[]>();
  for (const { uid, hotkey, group, lossBefore, lossAfter } of measuredSubmissions(round, evaluations)) {
    const score = scoreOf(lossBefore, lossAfter);
    candidates.set(group, [...(candidates.get(group) ?? []), { uid, hotkey, score }]);
  }
  return new Map(
    [...candidates]
      .sort(([a], [b]) => a - b)
      .map(([group, all]) => [group, bestSubmissions(all, count)] as const)
      .filter(([, best]) => best.length > 0)
      .map(([group, best]) => [group, best.map(({ uid, hotkey, score }) => ({ uid, hotkey, w: score }))] as const),
  );
}

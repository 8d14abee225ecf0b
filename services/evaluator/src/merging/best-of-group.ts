import { bestSubmissions } from "@assay/core/merging/pseudo-gradient";
import type { Round } from "@assay/core/round/round";
import { scoreOf } from "@assay/core/scoring/score";
import type { ExpertGroup, Hotkey, Uid } from "@assay/core/units";
import type { EvaluationRecord } from "@assay/ledger/evaluations";
import { measuredSubmissions } from "../scores/measured-submissions.ts";

/** The submission that lowered its group's loss most. */
export interface Best {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly w: number;
}

/** The best submission of each group that improved the model; on equal scores the lower UID. Ordered by group. */
export function bestOfEachGroup(
  round: Round,
  evaluations: readonly EvaluationRecord[],
): ReadonlyMap<ExpertGroup, Best> {
  const candidates = new Map<ExpertGroup, { uid: Uid; hotkey: Hotkey; score: number }[]>();
  for (const { uid, hotkey, group, lossBefore, lossAfter } of measuredSubmissions(round, evaluations)) {
    const score = scoreOf(lossBefore, lossAfter);
    candidates.set(group, [...(candidates.get(group) ?? []), { uid, hotkey, score }]);
  }
  return new Map(
    [...candidates]
      .sort(([a], [b]) => a - b)
      .flatMap(([group, submissions]) =>
        bestSubmissions(submissions, 1).map(({ uid, hotkey, score }) => [group, { uid, hotkey, w: score }] as const),
      ),
  );
}

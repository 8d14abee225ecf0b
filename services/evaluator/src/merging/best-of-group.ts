import type { Round } from "@assay/core/round/round";
import { scoreOf } from "@assay/core/scoring/score";
import type { ExpertGroup, Hotkey, Uid } from "@assay/core/units";
import type { EvaluationRecord } from "@assay/ledger/evaluations";

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
  const best = new Map<ExpertGroup, Best>();
  for (const entry of round.roster) {
    const evaluation = evaluations.find((each) => each.uid === entry.uid);
    if (evaluation?.kind !== "scored") continue;
    const w = scoreOf(evaluation.lossBefore, evaluation.lossAfter);
    // The roster is ordered by UID, so an equal score does not replace.
    if (w > (best.get(entry.group)?.w ?? 0)) best.set(entry.group, { uid: entry.uid, hotkey: entry.hotkey, w });
  }
  return new Map([...best].sort(([a], [b]) => a - b));
}

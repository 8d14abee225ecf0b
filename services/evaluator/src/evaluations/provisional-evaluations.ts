import type { RoundId } from "@assay/core/units";
import type { EvaluationRecord } from "@assay/ledger/evaluations";
import type { Ledger } from "@assay/ledger/ledger";
import { outcomeOfStages, stagesByUid } from "./stage-outcomes.ts";

/** A round's evaluations as they stand: what is recorded, and what the stages so far of the others come to. */
export async function provisionalEvaluations(
  roundId: RoundId,
  ledger: Pick<Ledger, "evaluations" | "evaluationStages">,
): Promise<readonly EvaluationRecord[]> {
  const recorded = await ledger.evaluations.list(roundId);
  const known = new Set(recorded.map(({ uid }) => uid));
  const stages = stagesByUid(await ledger.evaluationStages.list(roundId));
  const underWay = [...stages].filter(([uid]) => !known.has(uid));
  return [...recorded, ...underWay.flatMap(([, outcomes]) => outcomeOfStages(outcomes) ?? [])];
}

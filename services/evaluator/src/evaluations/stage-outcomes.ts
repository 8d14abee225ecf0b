import type { StageResult } from "@assay/core/scoring/sequential/contest";
import type { Uid } from "@assay/core/units";
import type { EvaluationStage } from "@assay/ledger/evaluation-stages";
import type { EvaluationRecord } from "@assay/ledger/evaluations";

type Scored = Extract<EvaluationRecord, { kind: "scored" }>;

/** The outcomes of each submission's stages, in their order. */
export function stagesByUid(stages: readonly EvaluationStage[]): ReadonlyMap<Uid, readonly EvaluationRecord[]> {
  const byUid = new Map<Uid, EvaluationRecord[]>();
  for (const { outcome } of stages) byUid.set(outcome.uid, [...(byUid.get(outcome.uid) ?? []), outcome]);
  return byUid;
}

/** What a contest needs to know of a stage. */
export function stageResult(outcome: EvaluationRecord): StageResult {
  if (outcome.kind !== "scored") return { kind: "ended" };
  return { kind: "measured", batchLosses: outcome.batchLosses, batchesLeft: outcome.batchesLeft ?? 0 };
}

/**
 * What a submission's stages come to: a rejection if one was rejected, else the losses of all batches that were
 * measured, else why there are none. Null without a stage.
 */
export function outcomeOfStages(outcomes: readonly EvaluationRecord[]): EvaluationRecord | null {
  const rejection = outcomes.find(({ kind }) => kind === "rejected");
  if (rejection !== undefined) return rejection;
  const scored = outcomes.filter((outcome): outcome is Scored => outcome.kind === "scored");
  return scored.length > 0 ? pooled(scored) : (outcomes.at(-1) ?? null);
}

/** As one measurement over all batches gives it: sums in their order, divided once. */
function pooled(stages: readonly Scored[]): Scored {
  const [{ batchesLeft: _, ...first }] = stages as readonly [Scored];
  const chosen = stages.flatMap(({ text }) => text?.chosen ?? []);
  const batchLosses = stages.flatMap((stage) => stage.batchLosses);
  const sum = (of: (batch: (typeof batchLosses)[number]) => number) =>
    batchLosses.reduce((total, batch) => total + of(batch), 0);
  const tokens = sum((batch) => batch.tokens);
  const seconds = stages.reduce((total, stage) => total + stage.seconds, 0);
  return {
    ...first,
    lossBefore: sum(({ before }) => before) / tokens,
    lossAfter: sum(({ after }) => after) / tokens,
    tokens,
    batchLosses,
    ...(first.text !== undefined && { text: { ...first.text, chosen } }),
    band: Math.max(...stages.map(({ band }) => band)),
    seconds: Number(seconds.toFixed(3)),
  };
}

import { scoreOf } from "@assay/core/scoring/score";
import { onCommonText } from "@assay/core/scoring/sequential/common-text";
import { decideStage } from "@assay/core/scoring/sequential/decide-stage";
import { type SequentialRules, type Stage, stagesOf } from "@assay/core/scoring/sequential/stages";
import type { Uid } from "@assay/core/units";
import type { Competitor } from "./field.ts";

/** What a way of measuring made of a field. */
export interface Result {
  readonly batches: number;
  readonly scores: ReadonlyMap<Uid, number>;
  /** Who was not measured on all batches. */
  readonly stopped: ReadonlySet<Uid>;
}

/** Every submission on the same batches: the first so many. */
export function measureAlike(field: readonly Competitor[], batches: number): Result {
  const measured = field.map((each) => ({ ...each, batchLosses: each.batchLosses.slice(0, batches) }));
  return resultOf(measured, new Set());
}

/** Stage after stage, by the rule that validators use. */
export function measureInStages(field: readonly Competitor[], rules: SequentialRules): Result {
  const sequences = (field[0]?.batchLosses.length ?? 0) * rules.batchSequences;
  const stages = stagesOf(rules, sequences);
  const groups = Map.groupBy(field, ({ group }) => group);
  const measured = [...groups.values()].flatMap((members) => contest(members, stages, rules));
  const seen = new Map(measured.map(({ uid, batchLosses }) => [uid, batchLosses.length]));
  const stopped = field.filter(({ uid, batchLosses }) => (seen.get(uid) ?? 0) < batchLosses.length);
  return resultOf(measured, new Set(stopped.map(({ uid }) => uid)));
}

function contest(
  members: readonly Competitor[],
  stages: readonly Stage[],
  rules: SequentialRules,
): readonly Competitor[] {
  const ended: Competitor[] = [];
  let running = members;
  for (const { firstBatch, batches } of stages.slice(0, -1)) {
    const seen = running.map((each) => ({ ...each, batchLosses: each.batchLosses.slice(0, firstBatch + batches) }));
    const stops = decideStage(seen, { ...rules, looks: stages.length - 1, entrants: members.length });
    ended.push(...seen.filter(({ uid }) => stops.has(uid)));
    running = running.filter(({ uid }) => !stops.has(uid));
  }
  return [...ended, ...running];
}

function resultOf(measured: readonly Competitor[], stopped: ReadonlySet<Uid>): Result {
  const submissions = measured.map(({ uid, group, batchLosses }) => {
    const tokens = batchLosses.reduce((sum, batch) => sum + batch.tokens, 0);
    const lossBefore = batchLosses.reduce((sum, { before }) => sum + before, 0) / tokens;
    const lossAfter = batchLosses.reduce((sum, { after }) => sum + after, 0) / tokens;
    return { uid, hotkey: String(uid), group, batchLosses, lossBefore, lossAfter };
  });
  return {
    batches: measured.reduce((sum, { batchLosses }) => sum + batchLosses.length, 0),
    scores: new Map(onCommonText(submissions).map((each) => [each.uid, scoreOf(each.lossBefore, each.lossAfter)])),
    stopped,
  };
}

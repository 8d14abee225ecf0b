import type { BatchLoss } from "@assay/core/scoring/outcome";
import { scoreOf } from "@assay/core/scoring/score";
import { onCommonText } from "@assay/core/scoring/sequential/common-text";
import { contestStanding, type StageResult } from "@assay/core/scoring/sequential/contest";
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

/** Measures whatever the contest asks for until it asks for nothing; batches seen by each. */
function contest(
  members: readonly Competitor[],
  stages: readonly Stage[],
  rules: SequentialRules,
): readonly Competitor[] {
  const results = new Map(members.map(({ uid }) => [uid, [] as StageResult[]]));
  const losses = new Map(members.map(({ uid, batchLosses }) => [uid, batchLosses]));
  for (;;) {
    const entrants = [...results].map(([uid, ofStages]) => ({ uid, results: ofStages }));
    const standing = contestStanding(entrants, { ...rules, stages: stages.length }, { complete: true, closing: false });
    if (standing.asks.length === 0) break;
    for (const { uid, stage } of standing.asks) {
      results.get(uid)?.push(measuredOf(losses.get(uid) ?? [], stages[stage]));
    }
  }
  return members.map((member) => {
    const seen = results.get(member.uid)?.flatMap((result) => (result.kind === "measured" ? result.batchLosses : []));
    return { ...member, batchLosses: seen ?? [] };
  });
}

function measuredOf(losses: readonly BatchLoss[], stage: Stage | undefined): StageResult {
  const { firstBatch, batches } = stage ?? { firstBatch: 0, batches: 0 };
  const batchesLeft = losses.length - firstBatch - batches;
  return { kind: "measured", batchLosses: losses.slice(firstBatch, firstBatch + batches), batchesLeft };
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

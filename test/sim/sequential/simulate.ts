import type { SequentialRules } from "@assay/core/scoring/sequential/stages";
import type { Uid } from "@assay/core/units";
import { createRandom } from "@assay/evaluation/model/random";
import { kendallTau, leaders, overlap } from "./agreement.ts";
import { measureAlike, measureInStages } from "./contest.ts";
import { type Competitor, drawField } from "./field.ts";

export interface Simulation {
  readonly miners: number;
  readonly groups: number;
  readonly rounds: number;
  /** Held-out sequences of a round. */
  readonly sequences: number;
  readonly seed: number;
  readonly rules: SequentialRules;
}

/** How alike two orders of a field are. */
export interface Agreement {
  /** Kendall's tau-b of all scores of a round. */
  readonly tau: number;
  /** Share of a group's first `keep` by the one that are so by the other. */
  readonly leaders: number;
  /** Share of the groups in which both put the same submission first. */
  readonly best: number;
}

/** Means over the rounds of a simulation. */
export interface Report {
  readonly miners: number;
  readonly keep: number;
  /** Share of the fixed batches that was not measured. */
  readonly batchesSaved: number;
  readonly stagesToFixed: Agreement;
  readonly stagesToTruth: Agreement;
  readonly fixedToTruth: Agreement;
  /** Fixed batches, so many fewer for everybody that they cost what the stages cost. */
  readonly equalCostToTruth: Agreement;
  /** Share of the groups in which a submission stopped that is truly, or by fixed batches, among its first `keep`. */
  readonly wrongStops: { readonly byTruth: number; readonly byFixed: number };
}

/** Draws fields and measures each in stages, on fixed batches, and on fewer fixed batches of the same cost. */
export function simulate({ miners, groups, rounds, sequences, seed, rules }: Simulation): Report {
  const random = createRandom(seed);
  const batches = Math.ceil(sequences / rules.batchSequences);
  const compared = Array.from({ length: rounds }, () =>
    compareRound(drawField({ miners, groups, batches }, random), batches, rules),
  );
  const mean = (of: (round: Comparison) => number): number => meanOf(compared.map(of));
  const agreement = (of: (round: Comparison) => Agreement): Agreement => ({
    tau: mean((round) => of(round).tau),
    leaders: mean((round) => of(round).leaders),
    best: mean((round) => of(round).best),
  });
  return {
    miners,
    keep: rules.keep,
    batchesSaved: mean(({ batchesSaved }) => batchesSaved),
    stagesToFixed: agreement(({ stagesToFixed }) => stagesToFixed),
    stagesToTruth: agreement(({ stagesToTruth }) => stagesToTruth),
    fixedToTruth: agreement(({ fixedToTruth }) => fixedToTruth),
    equalCostToTruth: agreement(({ equalCostToTruth }) => equalCostToTruth),
    wrongStops: {
      byTruth: mean(({ wrongStops }) => wrongStops.byTruth),
      byFixed: mean(({ wrongStops }) => wrongStops.byFixed),
    },
  };
}

type Comparison = Omit<Report, "miners" | "keep">;
type Scores = ReadonlyMap<Uid, number>;

function compareRound(field: readonly Competitor[], batches: number, rules: SequentialRules): Comparison {
  const staged = measureInStages(field, rules);
  const fixed = measureAlike(field, batches);
  const equalCost = measureAlike(field, Math.ceil(staged.batches / field.length));
  // A submission that does not improve the base has no place among strengths, as it has none among scores.
  const truth = new Map(field.map(({ uid, strength }) => [uid, Math.max(0, strength)]));
  const agree = (one: Scores, other: Scores) => agreementOf(field, rules.keep, [one, other]);
  const isWrong = (scores: Scores) =>
    share(groupsOf(field), (uids) => leaders(only(scores, uids), rules.keep).some((uid) => staged.stopped.has(uid)));
  return {
    batchesSaved: 1 - staged.batches / fixed.batches,
    stagesToFixed: agree(fixed.scores, staged.scores),
    stagesToTruth: agree(truth, staged.scores),
    fixedToTruth: agree(truth, fixed.scores),
    equalCostToTruth: agree(truth, equalCost.scores),
    wrongStops: { byTruth: isWrong(truth), byFixed: isWrong(fixed.scores) },
  };
}

function agreementOf(field: readonly Competitor[], keep: number, [one, other]: readonly [Scores, Scores]): Agreement {
  const column = (scores: Scores) => field.map(({ uid }) => scores.get(uid) ?? 0);
  const first = groupsOf(field).map((uids) => [one, other].map((scores) => leaders(only(scores, uids), keep)));
  return {
    tau: kendallTau(column(one), column(other)),
    leaders: meanOf(first.map(([a = [], b = []]) => overlap(a, b))),
    best: share(first, ([a = [], b = []]) => a[0] === b[0]),
  };
}

function groupsOf(field: readonly Competitor[]): readonly (readonly Uid[])[] {
  return [...Map.groupBy(field, ({ group }) => group).values()].map((members) => members.map(({ uid }) => uid));
}

function only(scores: Scores, uids: readonly Uid[]): Scores {
  return new Map(uids.map((uid) => [uid, scores.get(uid) ?? 0]));
}

function share<T>(values: readonly T[], holds: (value: T) => boolean): number {
  return values.filter(holds).length / values.length;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

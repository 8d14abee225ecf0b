import type { NatsPerToken, Uid } from "../../units.ts";
import type { BatchLoss } from "../outcome.ts";
import { criticalValue } from "./critical-value.ts";
import type { SequentialRules } from "./stages.ts";

/** A submission that was measured in the stages so far. */
export interface Contestant {
  readonly uid: Uid;
  /** All batches from the first on, in the seed's order. */
  readonly batchLosses: readonly BatchLoss[];
}

/** The decision's place in its round; the same after every stage. */
export interface StageRules extends Pick<SequentialRules, "keep" | "errorLevel"> {
  /** How often is decided at most: one less than there are stages. */
  readonly looks: number;
  /** How many submissions of the group the first stage began with. */
  readonly entrants: number;
}

/** Why a submission is not measured on. */
export type Stop =
  /** At least `keep` others are better, each beyond chance; these. */
  | { readonly reason: "outranked"; readonly by: readonly Uid[] }
  /** It raises the base's loss, beyond chance. */
  | { readonly reason: "worse_than_base" };

/**
 * Differences up to here are ties. Twice what another machine may make of one loss (its `band`, 1e-5), so that a
 * difference that is nothing but arithmetic stops nobody.
 */
const TIE: NatsPerToken = 2e-5;

/** Of the error level. The smaller part suffers more from noise that is askew, which differences of two cancel. */
const OUTRANKED_PART = 0.8;
const WORSE_PART = 0.2;

/** With fewer batches there is no spread to compare with. */
const LEAST_BATCHES = 3;

/**
 * Who of one group stops after a stage, and why; whoever is not named goes on.
 *
 * Two submissions are compared by their differences on the same batches, in nats per token: what makes a batch hard
 * concerns both and cancels. One is better when the mean difference is above {@link TIE} and above the critical value
 * of Student's t times its standard error.
 *
 * The error level is a bound on the probability, over all looks at one group in one round, that (a) any submission is
 * stopped as outranked that belongs to the first `keep` by expected improvement, the lower UID first among equals, or
 * (b) any submission is stopped as worse than the base that is not. Four fifths go to (a), shared evenly among
 * `looks · keep · (entrants - 1)` comparisons, and one fifth to (b), shared among `looks · entrants`. The expectation is
 * over held-out text as the seed draws it. Batches count as normally distributed, which is why they are of several
 * sequences: with noise as askew as a mean of eight exponential draws, (b) was seen to exceed its part and the sum was
 * not.
 *
 * With `keep` contestants or fewer nobody stops. The order of the contestants changes nothing, and equal losses give
 * equal decisions on every machine. Losses within their band of each other may decide differently only where a
 * difference lies within twice the band of its bound; a submission then stops on one validator and is measured further
 * on another, which changes its score by chance of sampling and not more.
 *
 * @throws RangeError for rules that cannot be (a caller's bug).
 * @see packages/docs/protocol.md §7.8
 */
export function decideStage(contestants: readonly Contestant[], rules: StageRules): ReadonlyMap<Uid, Stop> {
  const { keep, looks, entrants, errorLevel } = rules;
  if (!(keep >= 1 && looks >= 1 && entrants >= contestants.length)) throw new RangeError("Rules that cannot be");
  if (contestants.length <= keep) return new Map();
  const outranked = new Comparison((errorLevel * OUTRANKED_PART) / (looks * keep * (entrants - 1)));
  const worse = new Comparison((errorLevel * WORSE_PART) / (looks * entrants));
  const byUid = [...contestants].sort((a, b) => a.uid - b.uid);
  const stops = new Map<Uid, Stop>();
  for (const contestant of byUid) {
    const by = byUid.filter((other) => outranked.isAbove(advantages(other, contestant))).map(({ uid }) => uid);
    if (worse.isAbove(damages(contestant))) stops.set(contestant.uid, { reason: "worse_than_base" });
    else if (by.length >= keep) stops.set(contestant.uid, { reason: "outranked", by });
  }
  return stops;
}

/** Nats per token by which `one` beats `other`, on each batch that both have. The base's losses cancel exactly. */
function advantages(one: Contestant, other: Contestant): readonly NatsPerToken[] {
  const common = Math.min(one.batchLosses.length, other.batchLosses.length);
  return other.batchLosses
    .slice(0, common)
    .map(({ after, tokens }, index) => (after - (one.batchLosses[index]?.after ?? Number.NaN)) / tokens);
}

/** Nats per token that a submission adds to the base's loss, on each batch. */
function damages({ batchLosses }: Contestant): readonly NatsPerToken[] {
  return batchLosses.map(({ before, after, tokens }) => (after - before) / tokens);
}

/** One-sided comparisons, each at the same level. */
class Comparison {
  readonly #level: number;
  readonly #criticalValues = new Map<number, number>();

  constructor(level: number) {
    this.#level = level;
  }

  /** Whether the differences' expectation is above 0, beyond chance and a tie. */
  isAbove(differences: readonly NatsPerToken[]): boolean {
    const { length } = differences;
    if (length < LEAST_BATCHES) return false;
    const mean = sumOf(differences) / length;
    if (!(mean > TIE)) return false;
    const variance = sumOf(differences.map((difference) => (difference - mean) * (difference - mean))) / (length - 1);
    return mean > this.#criticalValue(length - 1) * Math.sqrt(variance / length);
  }

  #criticalValue(degrees: number): number {
    const known = this.#criticalValues.get(degrees) ?? criticalValue(this.#level, degrees);
    this.#criticalValues.set(degrees, known);
    return known;
  }
}

/** Added in the order of the batches, so that every machine has the same sum. */
function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

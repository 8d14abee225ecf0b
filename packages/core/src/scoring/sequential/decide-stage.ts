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
  const field = [...contestants].sort((a, b) => a.uid - b.uid).map(perToken);
  const stops = new Map<Uid, Stop>();
  for (const { uid, before, after } of field) {
    const by = field.filter((other) => outranked.isBetter(other.after, after)).map((other) => other.uid);
    if (worse.isBetter(before, after)) stops.set(uid, { reason: "worse_than_base" });
    else if (by.length >= keep) stops.set(uid, { reason: "outranked", by });
  }
  return stops;
}

function perToken({ uid, batchLosses }: Contestant) {
  const before = batchLosses.map((batch): NatsPerToken => batch.before / batch.tokens);
  const after = batchLosses.map((batch): NatsPerToken => batch.after / batch.tokens);
  return { uid, before, after };
}

/** One-sided comparisons of losses on the same batches, each at the same level. */
class Comparison {
  readonly #level: number;
  readonly #criticalValues = new Map<number, number>();

  constructor(level: number) {
    this.#level = level;
  }

  /**
   * Whether one loses less than the other, beyond chance and a tie, on the batches that both have.
   *
   * Added in the order of the batches, so that every machine has the same sums.
   */
  isBetter(one: readonly NatsPerToken[], other: readonly NatsPerToken[]): boolean {
    const batches = Math.min(one.length, other.length);
    if (batches < LEAST_BATCHES) return false;
    const advantage = (batch: number) => (other[batch] ?? Number.NaN) - (one[batch] ?? Number.NaN);
    let sum = 0;
    for (let batch = 0; batch < batches; batch += 1) sum += advantage(batch);
    const mean = sum / batches;
    if (!(mean > TIE)) return false;
    let squares = 0;
    for (let batch = 0; batch < batches; batch += 1) squares += (advantage(batch) - mean) * (advantage(batch) - mean);
    return mean > this.#criticalValue(batches - 1) * Math.sqrt(squares / (batches - 1) / batches);
  }

  #criticalValue(degrees: number): number {
    const known = this.#criticalValues.get(degrees) ?? criticalValue(this.#level, degrees);
    this.#criticalValues.set(degrees, known);
    return known;
  }
}

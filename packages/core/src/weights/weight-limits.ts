import type { Uid } from "../units.ts";
import { isWithinMaxWeight, U16_MAX } from "./pallet-weights.ts";
import { vectorOf, type WeightPart, type WeightVector, weightParts } from "./weight-vector.ts";

/** What the subnet demands of every vector, at one block. */
export interface WeightLimits {
  /** Neurons of the subnet: no vector has to be longer. */
  readonly neurons: number;
  readonly minAllowedWeights: number;
  /** Largest share of one weight in 1/65535; 65535 turns the rule off. */
  readonly maxWeightsLimit: number;
  /** Our own slot: a vector of this UID alone is free of both rules. */
  readonly ownUid: Uid | null;
}

/** Why no vector of these scores can keep to the limits. Nothing is padded or evened out to make one. */
export interface WeightRefusal {
  readonly kind: "refused";
  /** Fewer weights than the subnet takes; or so few that each of them would have to be larger than allowed. */
  readonly reason: "too_few_weights" | "max_weight_unmet";
  readonly weights: number;
  readonly atLeast: number;
}

export interface LimitedWeights extends WeightVector {
  readonly kind: "vector";
  /** Whose share was cut to the largest allowed. */
  readonly capped: readonly Uid[];
}

/**
 * Scores as a vector that the chain takes: {@link weightVector}, with no share above the subnet's largest.
 *
 * What is cut off goes to those below the limit, in proportion to their scores, until nobody is above it. So the order
 * is kept, though those that are cut become equal.
 */
export function limitedWeights(
  scores: Iterable<readonly [Uid, number]>,
  limits: WeightLimits,
): LimitedWeights | WeightRefusal {
  const parts = weightParts(scores);
  const isOwnAlone = parts.length === 1 && parts[0]?.uid === limits.ownUid;
  const atLeast = isOwnAlone ? 1 : Math.max(1, Math.min(limits.neurons, limits.minAllowedWeights));
  if (parts.length < atLeast) return refused("too_few_weights", parts.length, atLeast);
  const limit = isOwnAlone ? U16_MAX : limits.maxWeightsLimit;
  const room = Math.ceil(U16_MAX / Math.max(1, limit));
  if (parts.length < room) return refused("max_weight_unmet", parts.length, room);
  const { filled, capped } = belowLimit(parts, limit / U16_MAX);
  const vector = roundedWithin(filled, limit);
  if (vector === null) return refused("max_weight_unmet", parts.length, parts.length + 1);
  const { length } = vector.uids;
  return length < atLeast ? refused("too_few_weights", length, atLeast) : { kind: "vector", ...vector, capped };
}

function refused(reason: WeightRefusal["reason"], weights: number, atLeast: number): WeightRefusal {
  return { kind: "refused", reason, weights, atLeast };
}

/** Parts of which none is more than `share` of their sum; the largest is 1 again. */
function belowLimit(
  parts: readonly WeightPart[],
  share: number,
): { readonly filled: readonly WeightPart[]; readonly capped: readonly Uid[] } {
  const rising = parts.toSorted((a, b) => a.part - b.part || b.uid - a.uid);
  const sums = runningSums(rising);
  let below = rising.length - 1;
  while (below > 0 && shareOfRest(rising, sums, below) * (1 - cutOf(rising, below) * share) > share) below -= 1;
  const cut = cutOf(rising, below);
  if (cut === 0) return { filled: parts, capped: [] };
  const capped = new Set(rising.slice(below + 1).map(({ uid }) => uid));
  const ofLimit = (1 - cut * share) / ((sums[below] ?? 1) * share);
  const filled = parts.map(({ uid, part }) => ({ uid, part: capped.has(uid) ? 1 : Math.min(1, part * ofLimit) }));
  return { filled, capped: [...capped].sort((a, b) => a - b) };
}

/** Sums from the smallest on, so that the small ones are not lost beside the large. */
function runningSums(rising: readonly WeightPart[]): readonly number[] {
  let sum = 0;
  return rising.map(({ part }) => {
    sum += part;
    return sum;
  });
}

/** How many are cut when `below` is the place of the largest that is not. */
function cutOf({ length }: readonly WeightPart[], below: number): number {
  return length - 1 - below;
}

function shareOfRest(rising: readonly WeightPart[], sums: readonly number[], below: number): number {
  return (rising[below]?.part ?? 0) / (sums[below] ?? 1);
}

/**
 * Rounded weights that the chain's own check takes. Where rounding down would lift the largest over the limit, all below
 * it are raised by the same 1/65535 until it is not. Null when not even equal weights are within it.
 */
function roundedWithin(parts: readonly WeightPart[], limit: number): WeightVector | null {
  for (let raise = 0; raise <= U16_MAX; raise += 1) {
    const vector = vectorOf(parts.map(({ uid, part }) => ({ uid, weight: raised(part, raise) })));
    if (isWithinMaxWeight(vector.weights, limit)) return vector;
    if (vector.weights.every((weight) => weight === U16_MAX)) return null;
  }
  return null;
}

function raised(part: number, raise: number): number {
  const weight = Math.round(part * U16_MAX);
  return weight === 0 ? 0 : Math.min(U16_MAX, weight + raise);
}

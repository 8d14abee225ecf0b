import type { Uid } from "../units.ts";
import { U16_MAX } from "./pallet-weights.ts";

/** What `set_weights` takes: two columns of equal length, ordered by UID. */
export interface WeightVector {
  readonly uids: readonly Uid[];
  /** In 1/65535 of the largest. */
  readonly weights: readonly number[];
}

/** A UID's part of a vector before it is rounded. */
export interface WeightPart {
  readonly uid: Uid;
  /** In (0, 1]; the largest is 1. */
  readonly part: number;
}

/**
 * Scores as the chain stores weights: the largest is 65535, the others in proportion, rounded half up.
 *
 * A vector in this form passes the chain's own scaling unchanged, so it can be read back equal. Scores that are not
 * finite, not above 0, or round to 0 are left out; nothing left means an empty vector, which must not be submitted.
 */
export function weightVector(scores: Iterable<readonly [Uid, number]>): WeightVector {
  return vectorOf(weightParts(scores).map(({ uid, part }) => ({ uid, weight: Math.round(part * U16_MAX) })));
}

/** Scores in proportion to the largest, by UID; those that are not finite or not above 0 are left out. Of a UID named twice the last score counts. */
export function weightParts(scores: Iterable<readonly [Uid, number]>): readonly WeightPart[] {
  const positive = [...new Map(scores)].filter(([, score]) => Number.isFinite(score) && score > 0);
  const largest = positive.reduce((max, [, score]) => Math.max(max, score), 0);
  return positive
    .map(([uid, score]) => ({ uid, part: score / largest }))
    .filter(({ part }) => part > 0)
    .sort((a, b) => a.uid - b.uid);
}

/** Whole weights as two columns, without zeros. */
export function vectorOf(rows: readonly { readonly uid: Uid; readonly weight: number }[]): WeightVector {
  const kept = rows.filter(({ weight }) => weight > 0);
  return { uids: kept.map(({ uid }) => uid), weights: kept.map(({ weight }) => weight) };
}

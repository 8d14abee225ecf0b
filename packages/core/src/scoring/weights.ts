import type { Uid } from "../units.ts";

const U16_MAX = 65_535;

/** What `set_weights` takes: two columns of equal length, ordered by UID. */
export interface WeightVector {
  readonly uids: readonly Uid[];
  /** In 1/65535 of the largest. */
  readonly weights: readonly number[];
}

/**
 * Scores as the chain stores weights: the largest is 65535, the others in proportion, rounded half up.
 *
 * A vector in this form passes the chain's own scaling unchanged, so it can be read back equal. Scores that are not
 * finite, not above 0, or round to 0 are left out; nothing left means an empty vector, which must not be submitted.
 */
export function weightVector(scores: Iterable<readonly [Uid, number]>): WeightVector {
  const positive = [...scores].filter(([, score]) => Number.isFinite(score) && score > 0);
  const largest = positive.reduce((max, [, score]) => Math.max(max, score), 0);
  const rows = positive
    .map(([uid, score]) => ({ uid, weight: Math.round((score / largest) * U16_MAX) }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => a.uid - b.uid);
  return { uids: rows.map(({ uid }) => uid), weights: rows.map(({ weight }) => weight) };
}

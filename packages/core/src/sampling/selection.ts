import { h256, h256Hex } from "../hash/sha256.ts";

const SEED_WHEN_NONE = 42;

/** What {@link chooseBatches} needs; the same on every validator. */
export interface BatchChoice {
  /** How many held-out sequences there are. */
  readonly sequences: number;
  /** How many of them are wanted. */
  readonly count: number;
  /** The round's seed in hexadecimal. */
  readonly seed: string;
}

/**
 * The largest draw that still selects an element: floor((2^256 - 1) · fraction), multiplied in float64 as the
 * reference does.
 *
 * @throws RangeError if the fraction is not in (0, 1] (unchecked configuration, so a bug).
 */
export function selectionThreshold(fraction: number): bigint {
  if (!(fraction > 0 && fraction <= 1)) throw new RangeError(`The fraction must be in (0, 1], not ${fraction}`);
  return BigInt(Math.floor(Number(2n ** 256n - 1n) * fraction));
}

/**
 * Whether the element at an index of a stream belongs to the seed's selection.
 *
 * @param threshold from {@link selectionThreshold}
 * @see packages/docs/protocol.md §5.5
 */
export function isSelected(index: number, seed: string, threshold: bigint): boolean {
  return h256("dataset_selection", index, seed) <= threshold;
}

/** The small integer seed that interleaves sources: the first eight hexadecimal digits; 42 without a seed. */
export function intSeed(seed: string | null): number {
  return seed === null || seed === "" ? SEED_WHEN_NONE : Number.parseInt(seed.slice(0, 8), 16);
}

/**
 * The held-out sequences that a round is measured on: distinct indices, in the order of their draws.
 *
 * All of them when fewer exist than are wanted. The first k of k + 1 are those of k, so a smaller budget measures a
 * prefix of a larger one.
 *
 * @throws RangeError if a number is not whole or negative (a caller's bug).
 */
export function chooseBatches({ sequences, count, seed }: BatchChoice): readonly number[] {
  for (const value of [sequences, count]) {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`Not a number of sequences: ${value}`);
  }
  const draws = Array.from({ length: sequences }, (_, index) => ({
    index,
    draw: h256Hex("dataset_selection", index, seed),
  }));
  draws.sort((a, b) => (a.draw < b.draw ? -1 : 1));
  return draws.slice(0, count).map(({ index }) => index);
}

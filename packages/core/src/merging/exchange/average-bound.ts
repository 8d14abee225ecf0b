/** A contributor's chunk as far as its table says how large it is. */
export interface AveragedPart {
  /** Sum of the squares of its values, as in a chunk table. */
  readonly squares: number;
  /** What it counts in the mean; not below 0, and not 0 for all. */
  readonly weight: number;
}

/**
 * Whether a chunk is too large to be the weighted mean of these parts, whatever their values are.
 *
 * By the triangle inequality a mean is at most as long as the weighted mean of its parts' lengths. Rounding can make an
 * honest average longer: by half a unit in the last place of each value, which is a share of its length or, of values
 * too small for float32's full precision, a fixed amount. Both are allowed for.
 *
 * @param average sum of the squares of its values in float64, and their number
 * @returns true too when a square is not finite: then a value is not.
 * @throws RangeError when there are no parts (a caller's bug).
 */
export function isBeyondMean(
  average: { readonly squares: number; readonly values: number },
  parts: readonly AveragedPart[],
): boolean {
  if (parts.length === 0) throw new RangeError("There is nothing to average");
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const mean = parts.reduce((sum, { squares, weight }) => sum + weight * Math.sqrt(squares), 0) / total;
  const bound = (1 + MARGIN) * mean + Math.sqrt(average.values) * LEAST_STEP;
  return !(Math.sqrt(average.squares) <= bound);
}

/** Storing as float32 costs up to 2^-24; adding up a chunk of 2^21 squares in float64 another 2^-32. */
const MARGIN = 2 ** -20;
/** Between two neighbours of the smallest float32 values; rounding moves each by half of it at most. */
const LEAST_STEP = 2 ** -149;

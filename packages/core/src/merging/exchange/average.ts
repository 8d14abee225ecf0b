import { meanByStretches } from "../mean-by-stretches.ts";

/**
 * The weighted mean of the same chunk of several contributions, added up in their order in float64 and stored in
 * float32: whoever averages the same contributions in the same order gets the same bits.
 *
 * @param weights one per contribution, above 0; equal weights when not given
 * @param into where the average goes, of the same length; a new array unless given
 * @throws RangeError if there is nothing to average or lengths differ (a caller's bug).
 */
export function averageChunk(
  contributions: readonly Float32Array[],
  weights?: readonly number[],
  into?: Float32Array,
): Float32Array {
  const first = contributions[0];
  if (first === undefined) throw new RangeError("There is nothing to average");
  const average = into ?? new Float32Array(first.length);
  if ([...contributions, average].some(({ length }) => length !== first.length))
    throw new RangeError("Chunks differ in length");
  const shares = weights ?? contributions.map(() => 1);
  if (shares.length !== contributions.length) throw new RangeError("There is not one weight per contribution");
  const total = shares.reduce((sum, share) => sum + share, 0);
  meanByStretches(average, total, (sums, begin, end) => {
    for (let each = 0; each < contributions.length; each += 1) {
      addWeighted(sums, contributions[each] as Float32Array, shares[each] as number, begin, end);
    }
  });
  return average;
}

/** Sum of the squares in float64, in order; not finite as soon as a value is not. */
export function sumOfSquares(values: Float32Array): number {
  return addSquares(0, values);
}

/** A sum of squares, and those of the values that come next: as if all were added up at once. */
export function addSquares(sum: number, values: Float32Array): number {
  let total = sum;
  const { length } = values;
  // Not `for … of`: an iterator takes ten times as long. Nor to `values.length`: see `freeMemory`.
  for (let i = 0; i < length; i += 1) total += (values[i] as number) * (values[i] as number);
  return total;
}

function addWeighted(sums: Float64Array, values: Float32Array, share: number, begin: number, end: number): void {
  for (let i = begin; i < end; i += 1) sums[i - begin] = (sums[i - begin] as number) + share * (values[i] as number);
}

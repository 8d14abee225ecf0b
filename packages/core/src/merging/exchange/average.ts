import { meanByStretches } from "../mean-by-stretches.ts";
import { vectorLoopsOf } from "../vectors/vector-memory.ts";

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
  const done = vectorLoopsOf([average, ...contributions])?.average(contributions, shares, total, average) ?? 0;
  const left = contributions.map((each) => each.subarray(done));
  meanByStretches(average.subarray(done), total, (sums, begin, end) => {
    for (let each = 0; each < left.length; each += 1) {
      addWeighted(sums, left[each] as Float32Array, shares[each] as number, begin, end);
    }
  });
  return average;
}

function addWeighted(sums: Float64Array, values: Float32Array, share: number, begin: number, end: number): void {
  for (let i = begin; i < end; i += 1) sums[i - begin] = (sums[i - begin] as number) + share * (values[i] as number);
}

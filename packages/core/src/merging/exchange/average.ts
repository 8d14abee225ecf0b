/**
 * The weighted mean of the same chunk of several contributions, added up in their order in float64 and stored in
 * float32: whoever averages the same contributions in the same order gets the same bits.
 *
 * @param weights one per contribution, above 0; equal weights when not given
 * @throws RangeError if there is nothing to average or lengths differ (a caller's bug).
 */
export function averageChunk(contributions: readonly Float32Array[], weights?: readonly number[]): Float32Array {
  const first = contributions[0];
  if (first === undefined) throw new RangeError("There is nothing to average");
  if (contributions.some(({ length }) => length !== first.length)) throw new RangeError("Chunks differ in length");
  const shares = weights ?? contributions.map(() => 1);
  if (shares.length !== contributions.length) throw new RangeError("There is not one weight per contribution");
  const total = shares.reduce((sum, share) => sum + share, 0);
  const average = new Float32Array(first.length);
  for (let i = 0; i < first.length; i += 1) {
    let sum = 0;
    for (let each = 0; each < contributions.length; each += 1) {
      sum += (shares[each] ?? 0) * (contributions[each]?.[i] ?? 0);
    }
    average[i] = sum / total;
  }
  return average;
}

/** Sum of the squares in float64, in order; not finite as soon as a value is not. */
export function sumOfSquares(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return sum;
}

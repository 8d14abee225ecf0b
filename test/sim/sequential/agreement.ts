/**
 * Kendall's tau-b of two columns: 1 where they order alike, -1 where they order the other way round. Pairs that are
 * equal in a column count for neither.
 */
export function kendallTau(one: readonly number[], other: readonly number[]): number {
  let agreement = 0;
  let [untiedOne, untiedOther] = [0, 0];
  for (const [i, a] of one.entries()) {
    for (let j = 0; j < i; j += 1) {
      const [first, second] = [Math.sign(a - (one[j] ?? 0)), Math.sign((other[i] ?? 0) - (other[j] ?? 0))];
      agreement += first * second;
      untiedOne += Math.abs(first);
      untiedOther += Math.abs(second);
    }
  }
  return untiedOne === 0 || untiedOther === 0 ? 1 : agreement / Math.sqrt(untiedOne * untiedOther);
}

/** Keys of the largest values above 0, at most so many; the lower key first among equals. */
export function leaders(values: ReadonlyMap<number, number>, count: number): readonly number[] {
  return [...values]
    .filter(([, value]) => value > 0)
    .sort(([a, x], [b, y]) => y - x || a - b)
    .slice(0, count)
    .map(([key]) => key);
}

/** How many of the first are among the second, as a share; 1 where there are none. */
export function overlap(one: readonly number[], other: readonly number[]): number {
  return one.length === 0 ? 1 : one.filter((key) => other.includes(key)).length / one.length;
}

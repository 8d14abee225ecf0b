/** Length of one vector among several that are to be averaged. */
export interface Norm<Key> {
  readonly key: Key;
  readonly norm: number;
}

/** With two nobody can say which of them is too large. */
const LEAST_NORMS = 3;

/**
 * Which of some vectors are larger than the bound times the median of the others, in the order given; none when there
 * are fewer than three.
 *
 * Of an even number of others the lower of the middle two counts: a bound must not move up because a liar is one of
 * them.
 */
export function beyondNormBound<Key>(norms: readonly Norm<Key>[], bound: number): readonly Key[] {
  if (norms.length < LEAST_NORMS) return [];
  return norms.filter((each) => each.norm > bound * medianBeside(norms, each)).map(({ key }) => key);
}

function medianBeside<Key>(norms: readonly Norm<Key>[], own: Norm<Key>): number {
  const sorted = norms
    .filter((each) => each !== own)
    .map(({ norm }) => norm)
    .sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

import type { Uid } from "../units.ts";
import { meanByStretches } from "./mean-by-stretches.ts";

/** A submission that may be merged. */
export interface MergeCandidate {
  readonly uid: Uid;
  readonly score: number;
}

/**
 * The submissions to merge: those with a score above 0, best first, lower UID first among equals.
 *
 * @param count how many at most; the reference merged 3, later 1
 * @see packages/docs/protocol.md §8.1
 */
export function bestSubmissions<Candidate extends MergeCandidate>(
  candidates: readonly Candidate[],
  count: number,
): readonly Candidate[] {
  return candidates
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.uid - b.uid)
    .slice(0, count);
}

/**
 * Global weights minus the mean of the submissions' weights, in float64 and stored in float32.
 *
 * @param theta one tensor of the global model
 * @param submissions the same tensor of each submission, in the same order of elements
 * @param shares what each submission counts, above 0; all alike when not given
 * @param into where the values go, of the same length; may be `theta` itself. A new array unless given.
 * @throws RangeError if there is no submission, a length differs or a share is missing (a caller's bug).
 * @see packages/docs/protocol.md §8.1
 */
export function pseudoGradient(
  theta: Float32Array,
  submissions: readonly Float32Array[],
  shares: readonly number[] = submissions.map(() => 1),
  into: Float32Array = new Float32Array(theta.length),
): Float32Array {
  if (submissions.length === 0) throw new RangeError("There is nothing to merge");
  if ([...submissions, into].some(({ length }) => length !== theta.length))
    throw new RangeError("Tensors differ in length");
  if (shares.length !== submissions.length) throw new RangeError("There is not one share per submission");
  const total = shares.reduce((sum, share) => sum + share, 0);
  meanByStretches(into, total, (sums, begin, end) => {
    for (let each = 0; each < submissions.length; each += 1) {
      addDifference(sums, theta, submissions[each] as Float32Array, shares[each] as number, begin, end);
    }
  });
  return into;
}

function addDifference(
  sums: Float64Array,
  theta: Float32Array,
  values: Float32Array,
  share: number,
  begin: number,
  end: number,
): void {
  for (let i = begin; i < end; i += 1) {
    sums[i - begin] = (sums[i - begin] as number) + share * ((theta[i] as number) - (values[i] as number));
  }
}

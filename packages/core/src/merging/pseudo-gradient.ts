import type { Uid } from "../units.ts";

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
 * Global weights minus the plain mean of the submissions' weights, in float64 and stored in float32.
 *
 * @param theta one tensor of the global model
 * @param submissions the same tensor of each submission, in the same order of elements
 * @throws RangeError if there is no submission or a length differs (a caller's bug).
 * @see packages/docs/protocol.md §8.1
 */
export function pseudoGradient(theta: Float32Array, submissions: readonly Float32Array[]): Float32Array {
  if (submissions.length === 0) throw new RangeError("There is nothing to merge");
  if (submissions.some(({ length }) => length !== theta.length)) throw new RangeError("Tensors differ in length");
  return theta.map((weight, i) => {
    let difference = 0;
    for (const submission of submissions) difference += weight - (submission[i] ?? 0);
    return difference / submissions.length;
  });
}

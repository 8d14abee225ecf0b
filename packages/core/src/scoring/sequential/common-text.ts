import type { NatsPerToken } from "../../units.ts";
import type { BatchLoss } from "../outcome.ts";
import type { MeasuredSubmission } from "../policies/scoring-policy.ts";

/** A submission with the batches that its two losses are the means of, from the first on in the seed's order. */
export interface SubmissionOnBatches extends MeasuredSubmission {
  readonly batchLosses: readonly BatchLoss[];
}

/**
 * Losses as they compare, where submissions of one group were measured on more or fewer batches.
 *
 * The batches on which a submission stopped may be easier to improve on than all of them. What a submission removes on
 * a hard or an easy batch is in proportion to its strength (measured: correlation 0.7 to 0.98 between submissions), so
 * its reduction is multiplied by what those that saw most batches remove on all of them over what they remove on its
 * own. A submission that removes nothing stays at nothing. Where everybody saw the same batches nothing changes by a
 * bit.
 *
 * @returns the same submissions in the same order
 */
export function onCommonText(submissions: readonly SubmissionOnBatches[]): readonly MeasuredSubmission[] {
  const longest = new Map<number, SubmissionOnBatches[]>();
  for (const submission of [...submissions].sort((a, b) => a.uid - b.uid)) {
    const [first] = longest.get(submission.group) ?? [];
    const lead = submission.batchLosses.length - (first?.batchLosses.length ?? 0);
    if (lead > 0) longest.set(submission.group, [submission]);
    else if (lead === 0) longest.get(submission.group)?.push(submission);
  }
  return submissions.map((submission) => projected(submission, longest.get(submission.group) ?? []));
}

function projected(submission: SubmissionOnBatches, longest: readonly SubmissionOnBatches[]): MeasuredSubmission {
  const [reference] = longest;
  const seen = submission.batchLosses.length;
  if (reference === undefined || seen === reference.batchLosses.length) return submission;
  const onAll = sumOf(longest.map(({ batchLosses }) => reductionPerToken(batchLosses)));
  const onSeen = sumOf(longest.map(({ batchLosses }) => reductionPerToken(batchLosses.slice(0, seen))));
  const factor = onAll > 0 && onSeen > 0 ? onAll / onSeen : 1;
  const { lossBefore } = reference;
  return { ...submission, lossBefore, lossAfter: lossBefore - reductionPerToken(submission.batchLosses) * factor };
}

function reductionPerToken(batchLosses: readonly BatchLoss[]): NatsPerToken {
  return sumOf(batchLosses.map(({ before, after }) => before - after)) / sumOf(batchLosses.map(({ tokens }) => tokens));
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

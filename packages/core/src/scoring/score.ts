import { AppError } from "../app-error.ts";
import type { NatsPerToken } from "../units.ts";

/** Every way scoring can fail through our own fault. */
export const ScoreErrorCode = {
  /** The base model's loss is not a finite number above 0; the measurement is worthless and nobody is scored by it. */
  BaseLossInvalid: "SCORE_BASE_LOSS_INVALID",
} as const;
export type ScoreErrorCode = (typeof ScoreErrorCode)[keyof typeof ScoreErrorCode];

export class ScoreError extends AppError<ScoreErrorCode> {}

/**
 * What a submission removes of the base loss: `max(0, before - after)`. A loss after that is not finite removes
 * nothing: that is the miner's doing.
 *
 * @throws ScoreError `SCORE_BASE_LOSS_INVALID` if `before` is not finite or not above 0: that is ours.
 */
export function reductionOf(before: NatsPerToken, after: NatsPerToken): NatsPerToken {
  if (!(Number.isFinite(before) && before > 0)) {
    throw new ScoreError(ScoreErrorCode.BaseLossInvalid, "The base model's loss is not a positive number", {
      retryable: true,
      fields: { before: String(before) },
    });
  }
  return Number.isFinite(after) ? Math.max(0, before - after) : 0;
}

/**
 * A submission's score `w_i`: the share of the base loss that it removes, in [0, 1].
 *
 * @throws ScoreError as {@link reductionOf}.
 * @see packages/docs/protocol.md §7.2; the published log line 4.321, 3.512 gives 0.187
 */
export function scoreOf(before: NatsPerToken, after: NatsPerToken): number {
  return reductionOf(before, after) / before;
}

import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";

/**
 * The work's result; memory that could not be had becomes a failure of ours that may be tried again.
 *
 * V8 reports it as a RangeError, as if it were a caller's bug, and tells it from others by its message alone.
 */
export async function reportAllocations<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!(cause instanceof RangeError && cause.message === "Array buffer allocation failed")) throw cause;
    throw new EvaluationError(EvaluationErrorCode.EngineFailed, "Memory for tensors could not be had", {
      retryable: true,
      cause,
    });
  }
}

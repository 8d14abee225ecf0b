import { isAppError } from "@assay/core/app-error";
import { type Clock, SystemClock } from "./clock.ts";

export interface RetryOptions {
  /** Calls in all, the first one included. */
  readonly attempts: number;
  /** Longest wait before the second call; it doubles for each further one. */
  readonly baseMillis: number;
  /** No wait is longer than this; 30 s unless said otherwise. */
  readonly maxMillis?: number;
  readonly signal: AbortSignal;
  /** Whether another call may help. Unless given: an AppError that says so of itself. */
  readonly isRetryable?: (error: unknown) => boolean;
  readonly onRetry?: (error: unknown, attempt: number, waitMillis: number) => void;
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/** Calls `fn` until it succeeds, waiting between half of and the whole backoff; the last error is thrown as it is. */
export async function retry<T>(fn: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { attempts, signal, isRetryable = saysRetryable, clock = new SystemClock() } = options;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await fn(attempt);
    } catch (error) {
      if (attempt >= attempts || signal.aborted || !isRetryable(error)) throw error;
      const wait = backoffMillis(attempt, options);
      options.onRetry?.(error, attempt, wait);
      await clock.sleep(wait, signal);
    }
  }
}

function saysRetryable(error: unknown): boolean {
  return isAppError(error) && error.retryable;
}

/** Wait after failed call number `attempt` (from 1): exponential, capped, with the upper half random. */
export function backoffMillis(
  attempt: number,
  { baseMillis, maxMillis = 30_000, random = Math.random }: Pick<RetryOptions, "baseMillis" | "maxMillis" | "random">,
): number {
  const full = Math.min(maxMillis, baseMillis * 2 ** (attempt - 1));
  return Math.round(full / 2 + (random() * full) / 2);
}

import { TimeError, TimeErrorCode } from "./time-error.ts";

/** A promise, or work that can be told to give up: its signal is aborted at the deadline. */
export type TimedWork<T> = Promise<T> | ((signal: AbortSignal) => Promise<T>);

/**
 * The work's result, or a retryable `TIME_DEADLINE` after `ms`.
 *
 * A bare promise goes on unobserved after the deadline; pass a function to have it aborted.
 *
 * @param label what was waited for, in words; it ends up in the error's message.
 */
export async function withDeadline<T>(work: TimedWork<T>, ms: number, label: string): Promise<T> {
  const controller = new AbortController();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new TimeError(TimeErrorCode.Deadline, `${label} took longer than ${ms} ms`, {
      retryable: true,
      fields: { label, ms },
    });
    reject(error);
    controller.abort(error);
  }, ms);
  try {
    return await Promise.race([typeof work === "function" ? work(controller.signal) : work, late]);
  } finally {
    clearTimeout(timer);
  }
}

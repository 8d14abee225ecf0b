/**
 * Runs work with a signal that is aborted when the caller's is, or after so many milliseconds.
 *
 * @param late the reason that it is aborted with then.
 */
export async function inTime<T>(
  millis: number,
  { signal, late }: { readonly signal: AbortSignal; readonly late: () => Error },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(late()), millis);
  try {
    return await work(AbortSignal.any([signal, deadline.signal]));
  } finally {
    clearTimeout(timer);
  }
}

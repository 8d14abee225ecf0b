/**
 * How many jobs get on in a worker at once, as the name of its connection: Redis lists the connections of all hosts, and
 * nothing else there says it.
 */
export function concurrencyName(concurrency: number): string {
  return `concurrency-${concurrency}`;
}

/**
 * The sum over the connections of a queue's workers.
 *
 * @param names full names, which end with {@link concurrencyName}; undefined where Redis did not tell
 * @returns null when one of them does not say
 */
export function totalConcurrency(names: readonly (string | undefined)[]): number | null {
  const each = names.map((name) => Number(/:concurrency-(\d+)$/.exec(name ?? "")?.[1] ?? Number.NaN));
  return each.some(Number.isNaN) ? null : each.reduce((sum, concurrency) => sum + concurrency, 0);
}

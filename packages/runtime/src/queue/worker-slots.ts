/**
 * How many jobs a worker takes at once, as the name of its connection: Redis lists the connections of all hosts, and
 * nothing else there says it.
 */
export function slotsName(concurrency: number): string {
  return `slots-${concurrency}`;
}

/**
 * The sum over the connections of a queue's workers.
 *
 * @param names full names, which end with {@link slotsName}; undefined where Redis did not tell
 * @returns null when one of them does not say
 */
export function totalSlots(names: readonly (string | undefined)[]): number | null {
  const slots = names.map((name) => Number(/:slots-(\d+)$/.exec(name ?? "")?.[1] ?? Number.NaN));
  return slots.some(Number.isNaN) ? null : slots.reduce((sum, each) => sum + each, 0);
}

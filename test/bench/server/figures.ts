export function median(values: readonly number[]): number | null {
  return percentile(values, 0.5);
}

/** The smallest value that this share of all does not exceed; null of none. */
export function percentile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

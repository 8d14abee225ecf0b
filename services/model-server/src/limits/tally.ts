/** Counts by key; a key with nothing to count takes no memory. */
export class Tally {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(keys: Iterable<string>, change: 1 | -1): void {
    for (const key of keys) {
      const count = this.of(key) + change;
      if (count === 0) {
        this.#counts.delete(key);
      } else {
        this.#counts.set(key, count);
      }
    }
  }
}

/**
 * Writes asked for by a callback that cannot wait: they happen one after the other in the order of asking, and a
 * failure is kept until somebody looks.
 */
export class OrderedWrites {
  #tail: Promise<void> = Promise.resolve();
  readonly #failures: unknown[] = [];

  add(write: () => Promise<unknown>): void {
    this.#tail = this.#tail.then(async () => {
      try {
        await write();
      } catch (error) {
        this.#failures.push(error);
      }
    });
  }

  /** Resolves when everything asked for so far was tried; never rejects. */
  async settled(): Promise<void> {
    await this.#tail;
  }

  /** @throws the first failure. */
  throwFailure(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }
}

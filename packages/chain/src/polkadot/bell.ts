/** Wakes one waiter. Ringing while nobody waits is not lost: the next wait returns at once. */
export class Bell {
  #rung = Promise.withResolvers<void>();

  readonly ring = (): void => {
    this.#rung.resolve();
  };

  /** Resolves at the first ring since the last wait, or after `ms`; rejects with the signal's reason. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal.reason);
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await Promise.race([promise, this.#rung.promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      this.#rung = Promise.withResolvers();
    }
  }
}

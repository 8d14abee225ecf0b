/** Tells time in which a client kept us waiting from time in which we kept it waiting. */
export class BusyTime {
  #running = 0;
  #since = 0;
  #measuredAt = performance.now();
  #millis = 0;

  /** Until `work` ends, time is ours. Works may overlap. */
  async during<T>(work: Promise<T>): Promise<T> {
    if (this.#running === 0) {
      this.#since = performance.now();
    }
    this.#running += 1;
    try {
      return await work;
    } finally {
      this.#addUntil(performance.now());
      this.#running -= 1;
    }
  }

  /** Time that was the client's since this was asked last, in milliseconds. */
  takeIdleMillis(): number {
    const now = performance.now();
    this.#addUntil(now);
    const idle = Math.max(0, now - this.#measuredAt - this.#millis);
    this.#measuredAt = now;
    this.#millis = 0;
    return idle;
  }

  #addUntil(now: number): void {
    if (this.#running > 0) {
      this.#millis += now - this.#since;
      this.#since = now;
    }
  }
}

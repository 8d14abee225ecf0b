export interface BreakerOptions {
  /** Pause after the first failure; it doubles with each further one in a row. */
  readonly firstPauseMillis: number;
  readonly lastPauseMillis: number;
  /** A number from 0 to 1; spreads clients that lost the same endpoint. */
  readonly random: () => number;
}

/**
 * Whether one endpoint may be tried: after a failure it is left alone for a jittered pause that doubles with every
 * failure in a row, then one trial decides. Times are milliseconds of one clock of the caller's.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  #failures = 0;
  #opensAt = Number.NEGATIVE_INFINITY;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** When the next trial may begin; in the past while nothing is wrong. */
  get trialAt(): number {
    return this.#opensAt;
  }

  failed(now: number): void {
    const { firstPauseMillis, lastPauseMillis, random } = this.#options;
    this.#failures += 1;
    const pause = Math.min(lastPauseMillis, firstPauseMillis * 2 ** this.#failures);
    this.#opensAt = now + pause * (0.5 + random() / 2);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#opensAt = Number.NEGATIVE_INFINITY;
  }
}

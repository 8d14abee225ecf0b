import type { Clock } from "@assay/runtime/time/clock";

export interface RequestRateOptions {
  readonly requests: number;
  readonly windowMillis: number;
  /** Keys with a count of their own; those beyond share one, so that a flood of addresses takes no memory. */
  readonly maxKeys?: number;
}

const MAX_KEYS = 50_000;

/** The one count of all keys beyond the bound; no address or hotkey is spelt like it. */
const OVERFLOW = "*";

/**
 * How many requests each key made in a sliding window.
 *
 * Two counts per key: of this window, and of the one before, which weighs by how much of it the sliding window still
 * covers. A request that is refused is not counted, so a client that slows down is served again.
 */
export class RequestRate {
  readonly #clock: Pick<Clock, "now">;
  readonly #options: RequestRateOptions;
  #startedAt: number;
  #current = new Map<string, number>();
  #previous = new Map<string, number>();

  constructor(clock: Pick<Clock, "now">, options: RequestRateOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#startedAt = clock.now();
  }

  /** Counts a request and returns 0; or counts nothing and returns after how many milliseconds one will pass. */
  take(key: string): number {
    const elapsed = this.#turn();
    const counted = this.#countedKey(key);
    const now = this.#current.get(counted) ?? 0;
    const before = this.#previous.get(counted) ?? 0;
    const { requests, windowMillis } = this.#options;
    if (before * (1 - elapsed / windowMillis) + now + 1 > requests) {
      return this.#waitMillis({ before, now, elapsed });
    }
    this.#current.set(counted, now + 1);
    return 0;
  }

  /** Takes one request of this window back. */
  giveBack(key: string): void {
    this.#turn();
    const counted = this.#countedKey(key);
    const now = this.#current.get(counted) ?? 0;
    if (now > 0) {
      this.#current.set(counted, now - 1);
    }
  }

  /** Begins new windows as time goes on. @returns milliseconds since the current one began. */
  #turn(): number {
    const { windowMillis } = this.#options;
    const now = this.#clock.now();
    this.#startedAt = Math.min(this.#startedAt, now); // a system's clock may be set back
    const elapsed = now - this.#startedAt;
    const windows = Math.floor(elapsed / windowMillis);
    if (windows > 0) {
      this.#previous = windows === 1 ? this.#current : new Map();
      this.#current = new Map();
      this.#startedAt += windows * windowMillis;
    }
    return elapsed - windows * windowMillis;
  }

  #countedKey(key: string): string {
    const { maxKeys = MAX_KEYS } = this.#options;
    const isKnown = this.#current.has(key) || this.#previous.has(key);
    return isKnown || this.#current.size < maxKeys ? key : OVERFLOW;
  }

  #waitMillis({ before, now, elapsed }: { before: number; now: number; elapsed: number }): number {
    const { requests, windowMillis } = this.#options;
    const room = requests - 1;
    if (now <= room) {
      return windowMillis * (1 - (room - now) / before) - elapsed;
    }
    return windowMillis - elapsed + windowMillis * (1 - room / now);
  }
}

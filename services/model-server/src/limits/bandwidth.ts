import type { Clock } from "@assay/runtime/time/clock";
import type { Response } from "express";

export interface BandwidthLimits {
  /** Of all transfers together; 0 for no limit. */
  readonly totalBytesPerSecond: number;
  /** Of one transfer; 0 for no limit. */
  readonly bytesPerSecond: number;
}

export interface BandwidthComponents {
  readonly clock: Clock;
  /** Transfers that wait for their share. */
  readonly waiting: { inc(): void; dec(): void };
}

/** What a transfer asks before it moves bytes. */
export interface Pace {
  /** Resolves when these bytes may be moved, or when the transfer is over. */
  take(bytes: number): Promise<void>;
}

/**
 * Shares bandwidth among the transfers that ask for it.
 *
 * They are served in turns of 64 KiB, so those that can take more have equal shares, and what a slow one leaves is the
 * others'.
 */
export class Bandwidth {
  readonly #components: BandwidthComponents;
  readonly #limits: BandwidthLimits;
  readonly #all: TokenBucket | null;

  constructor(components: BandwidthComponents, limits: BandwidthLimits) {
    this.#components = components;
    this.#limits = limits;
    this.#all = bucketOf(components.clock, limits.totalBytesPerSecond);
  }

  /** The pace of a transfer that is over when `signal` is aborted; null when nothing is limited. */
  begin(signal: AbortSignal): Pace | null {
    const { clock, waiting } = this.#components;
    const own = bucketOf(clock, this.#limits.bytesPerSecond);
    const all = this.#all;
    if (own === null && all === null) {
      return null;
    }
    return {
      async take(bytes) {
        waiting.inc();
        await own?.take(bytes, signal);
        await all?.take(bytes, signal);
        waiting.dec();
      },
    };
  }
}

/** Gives a transfer its pace, which {@link paceOf} finds. */
export function setPace(response: Response, pace: Pace): void {
  paces.set(response, pace);
}

/** The pace of a transfer; undefined when it may go as fast as it can. */
export function paceOf(response: Response): Pace | undefined {
  return paces.get(response);
}

const paces = new WeakMap<Response, Pace>();

function bucketOf(clock: Clock, bytesPerSecond: number): TokenBucket | null {
  return bytesPerSecond === 0 ? null : new TokenBucket(clock, bytesPerSecond);
}

const TURN_BYTES = 64 * 1024;
/** What was not taken for a while can be made up for, so that timers that wake late cost no throughput. */
const BURST_SECONDS = 0.1;

interface Turn {
  readonly bytes: number;
  readonly grant: () => void;
}

/** Tokens that come at a steady rate and go in turns, first come, first served. */
class TokenBucket {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  readonly #turns = new Set<Turn>();
  #tokens: number;
  #filledAt: number;
  #isServing = false;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
    this.#tokens = this.#most;
    this.#filledAt = clock.now();
  }

  async take(bytes: number, signal: AbortSignal): Promise<void> {
    for (let left = bytes; left > 0 && !signal.aborted; left -= TURN_BYTES) {
      await this.#wait(Math.min(left, TURN_BYTES), signal);
    }
  }

  get #most(): number {
    return this.#bytesPerSecond * BURST_SECONDS;
  }

  async #wait(bytes: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const turn: Turn = { bytes, grant: resolve };
    const leave = () => {
      this.#turns.delete(turn);
      resolve();
    };
    signal.addEventListener("abort", leave, { once: true });
    this.#turns.add(turn);
    if (!this.#isServing) {
      void this.#serve();
    }
    await promise;
    signal.removeEventListener("abort", leave);
  }

  /** Runs while somebody waits. A turn is granted on the last token and leaves a debt, which the next one waits for. */
  async #serve(): Promise<void> {
    this.#isServing = true;
    for (const turn of this.#turns) {
      for (this.#fill(); this.#tokens <= 0; this.#fill()) {
        const millis = Math.max(1, Math.ceil((-this.#tokens / this.#bytesPerSecond) * 1000));
        await this.#clock.sleep(millis, NEVER);
      }
      if (this.#turns.delete(turn)) {
        this.#tokens -= turn.bytes;
        turn.grant();
      }
    }
    this.#isServing = false;
  }

  #fill(): void {
    const now = this.#clock.now();
    // A clock that is set back takes no tokens away.
    const come = (Math.max(0, now - this.#filledAt) / 1000) * this.#bytesPerSecond;
    this.#tokens = Math.min(this.#most, this.#tokens + come);
    this.#filledAt = now;
  }
}

const NEVER = new AbortController().signal;

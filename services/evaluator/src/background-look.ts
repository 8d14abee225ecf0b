import type { Clock } from "@assay/runtime/time/clock";
import { backoffMillis } from "@assay/runtime/time/retry";

/** Looks at something again and again beside the cycle, later each time while it fails. */
export class BackgroundLook {
  readonly #clock: Clock;
  readonly #intervalMillis: number;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(clock: Clock, intervalMillis: number) {
    this.#clock = clock;
    this.#intervalMillis = intervalMillis;
  }

  /** @param look gives false when it failed; must not go on for long once its signal is aborted. */
  start(look: (signal: AbortSignal) => Promise<boolean>): void {
    this.#running = this.#run(look);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error("Stopping"));
    await this.#running;
  }

  async #run(look: (signal: AbortSignal) => Promise<boolean>): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; ) {
      failures = (await look(signal)) ? 0 : failures + 1;
      const retry = { baseMillis: RETRY_MILLIS, maxMillis: LONGEST_RETRY_MILLIS };
      const pause = failures === 0 ? this.#intervalMillis : backoffMillis(failures, retry);
      await this.#clock.sleep(pause, signal).catch(() => undefined);
    }
  }
}

const RETRY_MILLIS = 10_000;
const LONGEST_RETRY_MILLIS = 600_000;

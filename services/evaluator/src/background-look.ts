import type { Clock } from "@assay/runtime/time/clock";
import { backoffMillis } from "@assay/runtime/time/retry";
import { failureCode } from "./failure-code.ts";

/** Why a look failed, which may pass. */
export interface FailedLook {
  /** Of our error, or the system's: `ENOSPC`. */
  readonly code: string;
  readonly error: unknown;
  /** False when the look before failed by the same code. */
  readonly isNews: boolean;
}

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

  /**
   * @param look must not go on for long once its signal is aborted. What it throws may pass if it is an error of ours or
   *   the system's; anything else is a bug, and ends the process.
   */
  start(look: (signal: AbortSignal) => Promise<void>, failed: (failure: FailedLook) => void): void {
    this.#running = this.#run(look, failed);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error("Stopping"));
    await this.#running;
  }

  async #run(look: (signal: AbortSignal) => Promise<void>, failed: (failure: FailedLook) => void): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    let reported: string | null = null;
    while (!signal.aborted) {
      const failure = await failureOf(look, signal);
      if (failure !== null) failed({ ...failure, isNews: failure.code !== reported });
      reported = failure?.code ?? null;
      failures = failure === null ? 0 : failures + 1;
      const retry = { baseMillis: RETRY_MILLIS, maxMillis: LONGEST_RETRY_MILLIS };
      const pause = failures === 0 ? this.#intervalMillis : backoffMillis(failures, retry);
      await this.#clock.sleep(pause, signal).catch(() => undefined);
    }
  }
}

const RETRY_MILLIS = 10_000;
const LONGEST_RETRY_MILLIS = 600_000;

async function failureOf(
  look: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<Omit<FailedLook, "isNews"> | null> {
  try {
    await look(signal);
    return null;
  } catch (error) {
    if (signal.aborted) return null;
    const code = failureCode(error);
    if (code === null) throw error;
    return { code, error };
  }
}

import { setTimeout as sleep } from "node:timers/promises";

const POLL_MILLIS = 100;
const ANSWER_MILLIS = 2_000;

/** Every series of the evaluator's metrics, by the published names where there are such. */
export type Series = Readonly<Record<string, number>>;

/** Looks at a validator as its operator does: through the private port. */
export class ValidatorWatch {
  readonly #adminUrl: string;

  constructor(adminUrl: string) {
    this.#adminUrl = adminUrl;
  }

  /** Its metrics now; null while it does not answer. */
  async series(): Promise<Series | null> {
    try {
      const response = await fetch(`${this.#adminUrl}/metrics.json`, { signal: AbortSignal.timeout(ANSWER_MILLIS) });
      return response.ok ? ((await response.json()) as Series) : null;
    } catch {
      return null;
    }
  }

  /** Resolves once it is ready and knows a block of at least this height. */
  async caughtUp(block: () => number, signal: AbortSignal): Promise<void> {
    const target = block();
    while (!((await this.#isReady()) && ((await this.series())?.["evaluator_chain_block"] ?? -1) >= target)) {
      await sleep(POLL_MILLIS, undefined, { signal });
    }
  }

  async #isReady(): Promise<boolean> {
    try {
      const response = await fetch(`${this.#adminUrl}/ready`, { signal: AbortSignal.timeout(ANSWER_MILLIS) });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }
}

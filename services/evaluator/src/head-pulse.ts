import type { ChainClient } from "@assay/chain/chain-client";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { AgeGauge } from "@assay/runtime/metrics/age-gauge";
import type { Clock } from "@assay/runtime/time/clock";

export interface HeadPulseOptions {
  /** Longest time between two blocks before the chain counts as silent. */
  readonly silenceMillis: number;
}

interface Components {
  readonly chain: Pick<ChainClient, "onHead">;
  readonly clock: Clock;
  readonly metrics: { readonly chainHeadAge: Pick<AgeGauge, "mark"> };
}

/** When the chain last had a new block for us. */
export class HeadPulse implements Startable {
  readonly #components: Components;
  readonly #options: HeadPulseOptions;
  #lastAt = 0;
  #leave: (() => void) | null = null;

  constructor(components: Components, options: HeadPulseOptions) {
    this.#components = components;
    this.#options = options;
  }

  /** The chain client has started before, so its head is as good as new. */
  async start(): Promise<void> {
    this.#beat();
    this.#leave ??= this.#components.chain.onHead(() => this.#beat());
  }

  async stop(): Promise<void> {
    this.#leave?.();
    this.#leave = null;
  }

  /** Milliseconds since the last block, if that is too long ago; null when it is not. */
  silentFor(): number | null {
    const age = this.#components.clock.now() - this.#lastAt;
    return age > this.#options.silenceMillis ? age : null;
  }

  #beat(): void {
    const { clock, metrics } = this.#components;
    this.#lastAt = clock.now();
    metrics.chainHeadAge.mark();
  }
}

import { Engine, type EngineOptions } from "../engine/engine.ts";
import type { LossBackend, LossRequest } from "../loss-backend.ts";

/** Our engine for whoever learns only from a request how long its sequences are. */
export class EngineOnDemand implements LossBackend {
  readonly #options: Omit<EngineOptions, "sequenceLength">;
  #engine: Engine;
  #sequenceLength = 1;

  constructor(options: Omit<EngineOptions, "sequenceLength">) {
    this.#options = options;
    this.#engine = new Engine({ ...options, sequenceLength: this.#sequenceLength });
  }

  get band(): number {
    return this.#engine.band;
  }

  get runtime(): LossBackend["runtime"] {
    return this.#engine.runtime;
  }

  async losses(request: LossRequest, signal: AbortSignal): Promise<readonly number[]> {
    const longest = Math.max(...request.batches.batches.map(({ sequenceLength }) => sequenceLength));
    if (longest > this.#sequenceLength) {
      await this.#engine.release();
      this.#engine = new Engine({ ...this.#options, sequenceLength: longest });
      this.#sequenceLength = longest;
    }
    return await this.#engine.losses(request, signal);
  }

  async release(): Promise<void> {
    await this.#engine.release();
  }
}

import type { CurrentVersion } from "@assay/checkpoint/store/checkpoint-reader";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { type Clock, SystemClock } from "@assay/runtime/time/clock";
import { BackgroundLook } from "./background-look.ts";

export interface FullFileHashComponents {
  readonly store: CheckpointStore;
  readonly logger: Logger;
  readonly clock?: Clock;
}

const INTERVAL_MILLIS = 500;

/**
 * Hashes the whole model of whatever version is current, beside everything else: a merge does not wait for it, and model
 * servers hand out the version's parts meanwhile.
 *
 * By level: looks whether the current version's digest is known, so a restart or a failure is no case of its own.
 */
export class FullFileHash implements Startable {
  readonly #components: FullFileHashComponents;
  readonly #looking: BackgroundLook;

  constructor(components: FullFileHashComponents) {
    this.#components = components;
    this.#looking = new BackgroundLook(components.clock ?? new SystemClock(), INTERVAL_MILLIS);
  }

  async start(_signal: AbortSignal): Promise<void> {
    this.#looking.start(
      (signal) => this.#hash(signal),
      ({ error, isNews }) => {
        const text = "Cannot hash the whole model; model servers hand out its parts only";
        if (isNews) this.#components.logger.error(text, {}, error);
      },
    );
  }

  async stop(): Promise<void> {
    await this.#looking.stop();
  }

  async #hash(signal: AbortSignal): Promise<void> {
    const { store, logger } = this.#components;
    const current = await store.current();
    if (current === null) return;
    try {
      if ((await store.manifest(current.version)).full.sha256 !== null) return;
      const started = performance.now();
      await store.describeFull(current.version, signal);
      const ms = Math.round(performance.now() - started);
      logger.info("Hashed the whole model", { version: current.version, ms });
    } catch (error) {
      if (!(await this.#isSuperseded(current))) throw error;
    }
  }

  /** Its files may be gone then. */
  async #isSuperseded({ digest }: CurrentVersion): Promise<boolean> {
    return (await this.#components.store.current())?.digest !== digest;
  }
}

import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Clock } from "@assay/runtime/time/clock";
import type { ChainViewFile } from "./chain-view-file.ts";
import type { CurrentVersion } from "./current-version.ts";
import type { InboxKeeper } from "./inbox-keeper.ts";
import type { ModelServerMetrics } from "./metrics.ts";

export interface WatchComponents {
  readonly chainView: ChainViewFile;
  readonly currentVersion: CurrentVersion;
  readonly inboxKeeper: InboxKeeper;
  readonly clock: Clock;
  readonly metrics: ModelServerMetrics;
  readonly logger: Logger;
}

const INTERVAL_MILLIS = 1_000;

/**
 * Looks at model and chain view while nobody asks, so that logs and metrics tell of them at once.
 *
 * Requests look for themselves: nothing is decided by what was seen here.
 */
export class Watch implements Startable {
  readonly #components: WatchComponents;
  readonly #modelName: string;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #expiredAt: number | null = null;

  constructor(components: WatchComponents, { modelName }: { readonly modelName: string }) {
    this.#components = components;
    this.#modelName = modelName;
  }

  /** The first look is over when this resolves. */
  async start(_signal: AbortSignal): Promise<void> {
    const { logger, currentVersion } = this.#components;
    logger.info("Loading base model", { model: this.#modelName });
    await this.#look();
    if ((await currentVersion.refresh()) === null) {
      logger.warn("No model is published yet; serving begins when the evaluator publishes one");
    }
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error("Stopping"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#components.clock.sleep(INTERVAL_MILLIS, signal).catch(() => undefined);
      await this.#look();
    }
  }

  async #look(): Promise<void> {
    const { chainView, currentVersion, metrics, logger } = this.#components;
    try {
      const [{ view, ageSeconds }, version] = await Promise.all([chainView.read(), currentVersion.refresh()]);
      metrics.chainViewAge.set(ageSeconds ?? Number.POSITIVE_INFINITY);
      metrics.modelVersion.set(version?.manifest.version ?? -1);
      await this.#expireOnce(view?.cycle ?? null);
    } catch (error) {
      logger.error("Cannot look at the checkpoint directory", {}, error);
    }
  }

  /** Once per cycle. */
  async #expireOnce(cycle: number | null): Promise<void> {
    if (cycle !== null && cycle !== this.#expiredAt) {
      await this.#components.inboxKeeper.expire();
      this.#expiredAt = cycle;
    }
  }
}

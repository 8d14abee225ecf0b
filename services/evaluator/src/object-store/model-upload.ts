import { ObjectStore } from "@assay/checkpoint/object-store/object-store";
import { type ObjectStoreOptions, objectStoreName } from "@assay/checkpoint/object-store/object-store-options";
import { uploadVersion } from "@assay/checkpoint/object-store/upload-version";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import { isAppError } from "@assay/core/app-error";
import type { ModelVersion, Sha256Hex } from "@assay/core/units";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { type Clock, SystemClock } from "@assay/runtime/time/clock";
import { backoffMillis } from "@assay/runtime/time/retry";
import type { EvaluatorMetrics } from "../metrics.ts";

export interface ModelUploadComponents {
  readonly store: CheckpointStore;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
  readonly clock?: Clock;
}

const INTERVAL_MILLIS = 5_000;
const RETRY_MILLIS = 10_000;
const LONGEST_RETRY_MILLIS = 600_000;

/**
 * Keeps an object store at the current version, beside everything else: the cycle never waits for it.
 *
 * By level: looks which version is current and what of it is there, so a restart or a failure is no case of its own.
 */
export class ModelUpload implements Startable {
  readonly #components: ModelUploadComponents;
  readonly #options: ObjectStoreOptions;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #done: Sha256Hex | null = null;
  #reported: string | null = null;

  constructor(components: ModelUploadComponents, options: ObjectStoreOptions) {
    this.#components = components;
    this.#options = options;
    this.#clock = components.clock ?? new SystemClock();
  }

  async start(_signal: AbortSignal): Promise<void> {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error("Stopping"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    using objects = new ObjectStore(this.#options);
    for (let failures = 0; !signal.aborted; ) {
      failures = (await this.#upload(objects)) ? 0 : failures + 1;
      const retry = { baseMillis: RETRY_MILLIS, maxMillis: LONGEST_RETRY_MILLIS };
      const pause = failures === 0 ? INTERVAL_MILLIS : backoffMillis(failures, retry);
      await this.#clock.sleep(pause, signal).catch(() => undefined);
    }
  }

  /** @returns false when it failed, which was said. */
  async #upload(objects: ObjectStore): Promise<boolean> {
    const { store, metrics, logger } = this.#components;
    const current = await store.current();
    if (current === null || current.digest === this.#done) return true;
    const release = store.pin(current.version);
    const started = performance.now();
    try {
      const tools = { reader: store, store: objects, storeName: objectStoreName(this.#options) };
      const sent = (bytes: number) => metrics.uploadedBytes.inc(bytes);
      const { kind, ...counts } = await uploadVersion(current.version, { ...tools, sent }, this.#stopping.signal);
      if (kind !== "uploaded") return true;
      this.#done = current.digest;
      this.#reported = null;
      metrics.uploadedVersion.set(current.version);
      const ms = Math.round(performance.now() - started);
      logger.info("Uploaded version", { version: current.version, ...counts, ms });
      return true;
    } catch (error) {
      if (this.#stopping.signal.aborted) return true;
      this.#report(error, current.version);
      return false;
    } finally {
      release();
    }
  }

  #report(error: unknown, version: ModelVersion): void {
    const code = isAppError(error) ? error.code : systemCode(error);
    this.#components.metrics.uploadFailures.inc({ code });
    if (this.#reported === code) return;
    this.#reported = code;
    this.#components.logger.error("Cannot upload the model; model servers send what is missing", { version }, error);
  }
}

/** A disk may fail and be mended; anything else is a bug. */
function systemCode(error: unknown): string {
  if (error instanceof Error && "syscall" in error && "code" in error) return String(error.code);
  throw error;
}

import { ObjectStore } from "@assay/checkpoint/object-store/object-store";
import { type ObjectStoreOptions, objectStoreName } from "@assay/checkpoint/object-store/object-store-options";
import { uploadVersion } from "@assay/checkpoint/object-store/upload-version";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { ModelVersion, Sha256Hex } from "@assay/core/units";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { type Clock, SystemClock } from "@assay/runtime/time/clock";
import { BackgroundLook, type FailedLook } from "../background-look.ts";
import type { EvaluatorMetrics } from "../metrics.ts";

export interface ModelUploadComponents {
  readonly store: CheckpointStore;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
  readonly clock?: Clock;
}

const INTERVAL_MILLIS = 5_000;

/**
 * Keeps an object store at the current version, beside everything else: the cycle never waits for it.
 *
 * By level: looks which version is current and what of it is there, so a restart or a failure is no case of its own.
 */
export class ModelUpload implements Startable {
  readonly #components: ModelUploadComponents;
  readonly #options: ObjectStoreOptions;
  readonly #looking: BackgroundLook;
  #objects: ObjectStore | null = null;
  #done: Sha256Hex | null = null;
  #tried: ModelVersion | null = null;

  constructor(components: ModelUploadComponents, options: ObjectStoreOptions) {
    this.#components = components;
    this.#options = options;
    this.#looking = new BackgroundLook(components.clock ?? new SystemClock(), INTERVAL_MILLIS);
  }

  async start(_signal: AbortSignal): Promise<void> {
    const objects = new ObjectStore(this.#options);
    this.#objects = objects;
    this.#looking.start(
      (signal) => this.#upload(objects, signal),
      (failure) => this.#report(failure),
    );
  }

  async stop(): Promise<void> {
    await this.#looking.stop();
    this.#objects?.[Symbol.dispose]();
  }

  async #upload(objects: ObjectStore, signal: AbortSignal): Promise<void> {
    const { store, metrics, logger } = this.#components;
    const current = await store.current();
    if (current === null || current.digest === this.#done) return;
    this.#tried = current.version;
    const release = store.pin(current.version);
    const started = performance.now();
    try {
      const tools = { reader: store, store: objects, storeName: objectStoreName(this.#options) };
      const sent = (bytes: number) => metrics.uploadedBytes.inc(bytes);
      const { kind, ...counts } = await uploadVersion(current.version, { ...tools, sent }, signal);
      if (kind !== "uploaded") return;
      this.#done = current.digest;
      metrics.uploadedVersion.set(current.version);
      const ms = Math.round(performance.now() - started);
      logger.info("Uploaded version", { version: current.version, ...counts, ms });
    } finally {
      release();
    }
  }

  #report({ code, error, isNews }: FailedLook): void {
    const { metrics, logger } = this.#components;
    metrics.uploadFailures.inc({ code });
    const fields = { version: this.#tried };
    if (isNews) logger.error("Cannot upload the model; model servers send what is missing", fields, error);
  }
}

import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";

export interface ModelImportOptions {
  /** Hugging Face folder of the base model. */
  readonly modelPath: string;
  readonly groups: number;
}

/** Sees to it at start that there is a model: cuts the given one into version 0, unless that was done before. */
export class ModelImport implements Startable {
  readonly #components: { readonly store: CheckpointStore; readonly logger: Logger };
  readonly #options: ModelImportOptions;

  constructor(components: { readonly store: CheckpointStore; readonly logger: Logger }, options: ModelImportOptions) {
    this.#components = components;
    this.#options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { store, logger } = this.#components;
    const { modelPath, groups } = this.#options;
    const { version, digest } = await store.importModel(modelPath, { groups }, signal);
    logger.info("Model ready", { version, digest: digest.slice(0, 12), groups });
  }

  async stop(): Promise<void> {}
}

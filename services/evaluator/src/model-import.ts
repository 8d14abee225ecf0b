import { dirname } from "node:path";
import { readExpertGroups } from "@assay/checkpoint/model/assignment-files";
import type { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import { groupCount, type Network } from "@assay/core/network";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";

export interface ModelImportOptions {
  /** Hugging Face folder of the base model. */
  readonly modelPath: string;
  /** How the network cuts it. */
  readonly expertGroups: Network["expertGroups"];
  /** The network's file, which assignments are named relative to. */
  readonly networkFile: string;
}

/** Sees to it at start that there is a model, which stays where it is: makes version 0 of it, unless there was one. */
export class ModelImport implements Startable {
  readonly #components: { readonly store: CheckpointStore; readonly logger: Logger };
  readonly #options: ModelImportOptions;

  constructor(components: { readonly store: CheckpointStore; readonly logger: Logger }, options: ModelImportOptions) {
    this.#components = components;
    this.#options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { store, logger } = this.#components;
    const { modelPath, expertGroups, networkFile } = this.#options;
    const groups = await readExpertGroups(expertGroups, dirname(networkFile));
    const { version, digest } = await store.importModel(modelPath, { groups }, signal);
    logger.info("Model ready", { version, digest: digest.slice(0, 12), groups: groupCount({ expertGroups }) });
  }

  async stop(): Promise<void> {}
}

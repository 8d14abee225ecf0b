import type { GroupLayout } from "@assay/checkpoint/model/model-source";
import type { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";
import type { VersionParts } from "@assay/checkpoint/store/version-parts";
import { isAppError } from "@assay/core/app-error";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import { fileIdentity } from "./chain-view-file.ts";
import { ChunkIndex } from "./chunk-index.ts";
import { expertsPerLayer, readModelConfig } from "./model-config.ts";
import type { Offload } from "./offload/offload.ts";
import { Refusal } from "./refusal.ts";
import type { VersionChunks } from "./version-chunks.ts";

export interface CurrentVersionComponents {
  readonly reader: CheckpointReader;
  /** Told which version is served. */
  readonly offload: Pick<Offload, "follow"> | null;
  readonly logger: Logger;
}

/** The version of the global model that is served now. */
export interface LoadedVersion {
  readonly manifest: ModelManifest;
  readonly parts: VersionParts;
  /** `config.json` as it is. */
  readonly config: Uint8Array;
  /** What a submission of each group must consist of. */
  readonly groups: ReadonlyMap<ExpertGroup, GroupLayout>;
}

/** Follows `current.json`: a version is served as soon as it is the current one and every file it reads is as it was. */
export class CurrentVersion {
  readonly #components: CurrentVersionComponents;
  readonly #chunks: ChunkIndex;
  #identity: string | null = null;
  #loaded: LoadedVersion | null = null;
  #loading: Promise<LoadedVersion | null> | null = null;
  #reportedFailure: string | null = null;

  constructor(components: CurrentVersionComponents) {
    this.#components = components;
    this.#chunks = new ChunkIndex(components);
  }

  /** The loaded version, or why there is none. */
  async loaded(): Promise<LoadedVersion | Refusal> {
    const version = await this.refresh();
    return version ?? new Refusal(503, "model_unavailable", "No model is loaded", { "Retry-After": "12" });
  }

  /** The loaded version's chunks, or why there are none (yet). */
  async chunks(): Promise<VersionChunks | Refusal> {
    const version = await this.loaded();
    return version instanceof Refusal ? version : await this.#chunks.chunks(version);
  }

  /** Loads the current version if it is not loaded yet; null when there is none that can be served. */
  async refresh(): Promise<LoadedVersion | null> {
    const identity = await fileIdentity(this.#components.reader.layout.current);
    if (identity !== null && identity === this.#identity) {
      return this.#loaded;
    }
    this.#identity = null;
    this.#loaded = null;
    if (identity === null) {
      return null;
    }
    // One look for all who ask at once: it reads the header of every file of the model.
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null;
    });
    const loaded = await this.#loading;
    this.#loaded = loaded;
    this.#identity = loaded === null ? null : identity;
    return loaded;
  }

  /** Drops what is loaded when that was why sending was refused, so that the next request looks again. */
  refused({ code }: Refusal): void {
    if (code === "model_unavailable") {
      this.#identity = null;
    }
  }

  async #load(): Promise<LoadedVersion | null> {
    const { reader, offload, logger } = this.#components;
    try {
      const current = await reader.current();
      if (current === null) {
        return null;
      }
      const { manifest, source, parts } = await reader.whole(current.version);
      const { groups } = source;
      const config = await readModelConfig(reader.directory(current.version));
      const experts = expertsPerLayer(config);
      this.#reportedFailure = null;
      logger.info("Model loaded", {
        "expert mapping": `${manifest.groups.length} groups, ${experts ?? "unknown"} experts/layer`,
        version: manifest.version,
      });
      const loaded = { manifest, parts, config, groups };
      void this.#chunks.prepare(loaded);
      await offload?.follow(manifest);
      return loaded;
    } catch (error) {
      this.#reportFailure(error);
      return null;
    }
  }

  #reportFailure(error: unknown): void {
    if (!isAppError(error)) {
      throw error;
    }
    if (this.#reportedFailure !== error.code) {
      this.#reportedFailure = error.code;
      this.#components.logger.error("Cannot load the current model", {}, error);
    }
  }
}

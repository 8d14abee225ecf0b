import { stat } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "@assay/checkpoint/atomic-write";
import type { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";
import { isAppError } from "@assay/core/app-error";
import type { ModelManifest } from "@assay/core/model-manifest";
import type { Logger } from "@assay/runtime/logging/logger";
import { fileIdentity } from "./chain-view-file.ts";
import { expertsPerLayer } from "./experts-per-layer.ts";
import { ModelServerError, ModelServerErrorCode } from "./model-server-error.ts";
import { Refusal } from "./refusal.ts";

export interface CurrentVersionComponents {
  readonly reader: CheckpointReader;
  readonly logger: Logger;
}

/** The version of the global model that is served now. */
export interface LoadedVersion {
  readonly manifest: ModelManifest;
  /** Folder of its files. */
  readonly folder: string;
}

/** Follows `current.json`: a version is served as soon as it is the current one and all its files are there. */
export class CurrentVersion {
  readonly #components: CurrentVersionComponents;
  #identity: string | null = null;
  #loaded: LoadedVersion | null = null;
  #reportedFailure: string | null = null;

  constructor(components: CurrentVersionComponents) {
    this.#components = components;
  }

  /** The loaded version, or why there is none. */
  async loaded(): Promise<LoadedVersion | Refusal> {
    const version = await this.refresh();
    return version ?? new Refusal(503, "model_unavailable", "No model is loaded", { "Retry-After": "12" });
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
    this.#loaded = await this.#load();
    this.#identity = this.#loaded === null ? null : identity;
    return this.#loaded;
  }

  /** Drops what is loaded, so that the next request looks again: a file turned out to be gone. */
  forget(): void {
    this.#identity = null;
  }

  async #load(): Promise<LoadedVersion | null> {
    const { reader, logger } = this.#components;
    try {
      const current = await reader.current();
      if (current === null) {
        return null;
      }
      const manifest = await reader.manifest(current.version);
      const folder = reader.directory(current.version);
      await requireFiles(folder, manifest);
      const experts = await expertsPerLayer(folder);
      this.#reportedFailure = null;
      logger.info("Model loaded", {
        "expert mapping": `${manifest.groups.length} groups, ${experts ?? "unknown"} experts/layer`,
        version: manifest.version,
      });
      return { manifest, folder };
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

async function requireFiles(folder: string, manifest: ModelManifest): Promise<void> {
  for (const { name, bytes } of [manifest.shared, manifest.full, ...manifest.groups]) {
    const found = await sizeOf(join(folder, name));
    if (found !== bytes) {
      throw new ModelServerError(ModelServerErrorCode.ModelUnreadable, "A file of the current version is not whole", {
        retryable: true,
        fields: { version: manifest.version, file: name, expectedBytes: bytes, foundBytes: found },
      });
    }
  }
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isSystemError(error, "ENOENT")) {
      return null;
    }
    throw error;
  }
}

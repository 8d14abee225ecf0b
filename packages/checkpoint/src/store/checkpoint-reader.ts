import type { ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup, ModelVersion, Sha256Hex } from "@assay/core/units";
import { z } from "zod";
import { isSystemError, readJson, withFile } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { sha256File } from "../digest.ts";
import { CheckpointLayout, groupFileName } from "../layout.ts";
import { listNumbered } from "../numbered-folders.ts";
import type { TensorShape } from "../safetensors/dtype.ts";
import { readTrustedHeader } from "../safetensors/read.ts";
import { manifestFiles, readManifest } from "./manifest.ts";

/** The version that is served and trained on. */
export interface CurrentVersion {
  readonly version: ModelVersion;
  readonly digest: Sha256Hex;
}

/** Reads the versions of the global model. Any number of processes may, while one writes. */
export class CheckpointReader {
  readonly layout: CheckpointLayout;

  constructor(root: string) {
    this.layout = new CheckpointLayout(root);
  }

  /** What `current.json` points to; null before a model was imported. */
  async current(): Promise<CurrentVersion | null> {
    return await readJson(this.layout.current, currentSchema, CheckpointErrorCode.ManifestInvalid);
  }

  /** @throws CheckpointError `CHECKPOINT_VERSION_MISSING` when there is no such version (any more). */
  async manifest(version: ModelVersion): Promise<ModelManifest> {
    const manifest = await readManifest(this.layout, version);
    if (manifest === null) throw versionMissing(version);
    return manifest;
  }

  /** Every complete version, oldest first. */
  async versions(): Promise<readonly ModelVersion[]> {
    return await listNumbered(this.layout.versions);
  }

  /** Absolute folder of a version: its files, `config.json` and the tokenizer. */
  directory(version: ModelVersion): string {
    return this.layout.version(version);
  }

  /** Names, dtypes and shapes of one group's tensors: what a submission for it must consist of. */
  async groupTensors(version: ModelVersion, group: ExpertGroup): Promise<ReadonlyMap<string, TensorShape>> {
    const manifest = await this.manifest(version);
    if (!manifest.groups.some((file) => file.group === group)) throw versionMissing(version, groupFileName(group));
    return await tensorShapes(this.layout.versionGroup(version, group));
  }

  /**
   * Hashes every file of a version again.
   *
   * @throws CheckpointError `CHECKPOINT_HASH_MISMATCH` at the first file that is not what its manifest says.
   */
  async verify(version: ModelVersion, signal?: AbortSignal): Promise<void> {
    for (const { name, sha256 } of manifestFiles(await this.manifest(version))) {
      const actual = await this.#hash(version, name, signal);
      if (actual === sha256) continue;
      throw new CheckpointError(CheckpointErrorCode.HashMismatch, "Digest differs from the manifest", {
        fields: { version, file: name, expected: sha256, actual },
      });
    }
  }

  async #hash(version: ModelVersion, name: string, signal: AbortSignal | undefined): Promise<Sha256Hex> {
    try {
      return (await sha256File(`${this.layout.version(version)}/${name}`, signal)).sha256;
    } catch (error) {
      if (isSystemError(error, "ENOENT")) throw versionMissing(version, name);
      throw error;
    }
  }
}

/** Names, dtypes and shapes of the tensors of one of our own files. */
export async function tensorShapes(path: string): Promise<ReadonlyMap<string, TensorShape>> {
  const header = await withFile(path, "r", (file) => readTrustedHeader(file, path));
  return new Map([...header.tensors].map(([name, { dtype, shape }]) => [name, { dtype, shape }]));
}

const currentSchema = z.strictObject({ version: z.int().nonnegative(), digest: z.string() });

function versionMissing(version: ModelVersion, file?: string): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.VersionMissing, "Version is not in the store", {
    fields: { version, file },
  });
}

import type { ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup, ModelVersion, Sha256Hex } from "@assay/core/units";
import { z } from "zod";
import { readJson } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { CheckpointLayout, groupFileName } from "../layout.ts";
import { assembleSource, type GroupLayout, type ModelSource, readConfig } from "../model/model-source.ts";
import { readVersion } from "../model/version-folder.ts";
import { listNumbered } from "../numbered-folders.ts";
import type { TensorShape } from "../safetensors/dtype.ts";
import { checkWeights, importedModel } from "./imported-model.ts";
import { readManifest } from "./manifest.ts";
import { composeParts, type VersionParts } from "./version-parts.ts";

/** The version that is served and trained on. */
export interface CurrentVersion {
  readonly version: ModelVersion;
  readonly digest: Sha256Hex;
}

/** A version as one reading of its manifest has it, whatever takes its number afterwards. */
export interface WholeVersion {
  readonly manifest: ModelManifest;
  readonly source: ModelSource;
  readonly parts: VersionParts;
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

  /** Absolute folder of a version: its manifest, `config.json` and the tokenizer, and no tensor. */
  directory(version: ModelVersion): string {
    return this.layout.version(version);
  }

  /**
   * Where every tensor of a version lies.
   *
   * @throws CheckpointError `CHECKPOINT_MODEL_CHANGED` when a file of the imported model is not what it was.
   */
  async source(version: ModelVersion): Promise<ModelSource> {
    return await this.#sourceOf(await this.manifest(version));
  }

  /** The layout of one group: what a submission for it must consist of. */
  async group(version: ModelVersion, group: ExpertGroup): Promise<GroupLayout> {
    const layout = (await this.source(version)).groups.get(group);
    if (layout === undefined) throw versionMissing(version, groupFileName(group));
    return layout;
  }

  /** Names, dtypes and shapes of one group's tensors. */
  async groupTensors(version: ModelVersion, group: ExpertGroup): Promise<ReadonlyMap<string, TensorShape>> {
    return (await this.group(version, group)).tensors;
  }

  /**
   * The files of a version as they are handed out. Reads headers only.
   *
   * @throws CheckpointError `CHECKPOINT_MODEL_CHANGED`; `CHECKPOINT_VERSION_MISSING` when a group's file is not whole;
   *   `CHECKPOINT_MANIFEST_INVALID` when the files would not have the lengths that the manifest states.
   */
  async parts(version: ModelVersion): Promise<VersionParts> {
    return (await this.whole(version)).parts;
  }

  /** A version's manifest with the tensors and the files that belong to it; fails as {@link parts} does. */
  async whole(version: ModelVersion): Promise<WholeVersion> {
    const manifest = await this.manifest(version);
    const source = await this.#sourceOf(manifest);
    const stamps = await checkWeights(await importedModel(this.layout, manifest.model));
    const parts = await composeParts(this.layout, source, stamps, manifest);
    for (const { name, bytes, file } of namedParts(manifest, parts)) {
      if (file?.bytes === bytes) continue;
      throw new CheckpointError(CheckpointErrorCode.ManifestInvalid, "A file is not as long as its manifest says", {
        fields: { version, file: name, expectedBytes: bytes, foundBytes: file?.bytes },
      });
    }
    return { manifest, source, parts };
  }

  /**
   * Hashes every file of a version again whose digest is known.
   *
   * @throws CheckpointError `CHECKPOINT_HASH_MISMATCH` at the first file that is not what its manifest says.
   */
  async verify(version: ModelVersion, signal?: AbortSignal): Promise<void> {
    const { manifest, parts } = await this.whole(version);
    for (const { name, sha256, file } of namedParts(manifest, parts)) {
      if (sha256 === null) continue;
      const actual = (await file?.digest(signal))?.sha256;
      if (actual === sha256) continue;
      throw new CheckpointError(CheckpointErrorCode.HashMismatch, "Digest differs from the manifest", {
        fields: { version, file: name, expected: sha256, actual },
      });
    }
  }

  async #sourceOf(manifest: ModelManifest): Promise<ModelSource> {
    const directory = this.directory(manifest.version);
    const tensors = await readVersion(this.layout, manifest);
    return await assembleSource({ directory, config: await readConfig(directory), ...tensors });
  }
}

function namedParts({ shared, groups, full }: ModelManifest, parts: VersionParts) {
  return [
    { ...shared, file: parts.shared },
    ...groups.map((entry) => ({ ...entry, file: parts.groups.get(entry.group) })),
    { ...full, file: parts.full },
  ];
}

const currentSchema = z.strictObject({ version: z.int().nonnegative(), digest: z.string() });

function versionMissing(version: ModelVersion, file?: string): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.VersionMissing, "Version is not in the store", {
    fields: { version, file },
  });
}

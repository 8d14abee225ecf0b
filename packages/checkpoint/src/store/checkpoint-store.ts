import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ModelFile, ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup, ModelVersion, RoundId } from "@assay/core/units";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { writeJsonAtomic } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { ensureFreeSpace } from "../disk-space.ts";
import type { ExpertGroups } from "../model/expert-groups.ts";
import { expertOf } from "../model/expert-names.ts";
import { findModelFiles, type ModelFolder } from "../model/model-folder.ts";
import { openModelSource } from "../model/model-source.ts";
import { expireRounds } from "../numbered-folders.ts";
import { canonicalBytes } from "../safetensors/write.ts";
import { Serial } from "../serial.ts";
import { CheckpointReader, type CurrentVersion, tensorShapes } from "./checkpoint-reader.ts";
import { isImported, readImportedModel, recordImportedModel } from "./imported-model.ts";
import { completeManifest, type GroupFile, manifestFiles, readManifest } from "./manifest.ts";
import { removeUnreferenced } from "./objects.ts";
import { TensorLibrary } from "./tensor-library.ts";
import {
  commitVersion,
  copiedCompanions,
  copyGroupFile,
  inScratch,
  linkedCompanions,
  versionConflict,
  writeFullFile,
  writeImportedFiles,
} from "./version-writer.ts";

export interface CheckpointStoreOptions {
  readonly root: string;
  /** Versions that `retain` keeps when it is not told otherwise. */
  readonly keepVersions: number;
  /** Free space that a write must leave, in bytes; 0 when absent. */
  readonly minFreeBytes?: number;
}

/** A version to be made from an older one. */
export interface Publication {
  readonly version: ModelVersion;
  readonly parent: ModelVersion;
  readonly cycle: number | null;
  readonly block: number | null;
  /** New files of the groups that changed; the others and the shared file stay the parent's. */
  readonly groupFiles: ReadonlyMap<ExpertGroup, string>;
}

/**
 * The versions of the global model, written by one process (readers take {@link CheckpointReader}).
 *
 * A version's folder appears whole, by rename, and never changes; `current.json` moves after it, and only forward.
 */
export class CheckpointStore extends CheckpointReader implements Startable {
  readonly #logger: Logger;
  readonly #options: CheckpointStoreOptions;
  readonly #writing = new Serial();
  readonly #pins = new Map<ModelVersion, number>();

  constructor({ logger }: { readonly logger: Logger }, options: CheckpointStoreOptions) {
    super(options.root);
    this.#logger = logger.child({ module: "checkpoint-store" });
    this.#options = options;
  }

  /** Makes the folders and removes what a crash left unfinished. */
  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { layout } = this;
    await rm(layout.tmp, { recursive: true, force: true });
    for (const folder of [layout.objects, layout.versions, layout.submissions, layout.state, layout.tmp]) {
      await mkdir(folder, { recursive: true });
    }
    for (const name of await readdir(layout.versions)) await this.#removeHalfVersion(name);
  }

  async stop(): Promise<void> {
    await this.#writing.run(WRITING, async () => undefined);
  }

  /**
   * Makes version 0 from a Hugging Face folder, cut into the shared file and one file per expert group.
   *
   * Does nothing when this model was imported before, also when version 0 is long gone.
   *
   * @throws CheckpointError `CHECKPOINT_MODEL_CONFLICT` when another model, or other groups, were imported before;
   *   `CHECKPOINT_MODEL_INVALID`, `CHECKPOINT_ASSIGNMENT_INVALID` when it cannot be cut; `CHECKPOINT_VOLUME_FULL`.
   */
  async importModel(
    modelPath: string,
    { groups }: { readonly groups: ExpertGroups },
    signal?: AbortSignal,
  ): Promise<CurrentVersion> {
    return await this.#writing.run(WRITING, async () => {
      const folder = await findModelFiles(modelPath);
      const record = await readImportedModel(this.layout);
      const current = await this.current();
      if (record !== null && current !== null) {
        if (await isImported(record, folder, groups, signal)) return current;
        throw new CheckpointError(CheckpointErrorCode.ModelConflict, "The store was started from another model", {
          fields: { modelPath },
        });
      }
      const manifest = await this.#cut(folder, groups, signal);
      await recordImportedModel(this.layout, folder, groups, signal);
      return await this.#moveCurrent(manifest);
    });
  }

  /**
   * Makes a version from its parent and new group files, and makes it the current one. Safe to repeat.
   *
   * @throws CheckpointError `CHECKPOINT_VERSION_CONFLICT` when the version exists with other content;
   *   `CHECKPOINT_VERSION_MISSING` when the parent is gone; `CHECKPOINT_TENSORS_DIFFER` when a group file does not hold
   *   exactly its group's tensors; `CHECKPOINT_VOLUME_FULL`.
   */
  async publish(publication: Publication, signal?: AbortSignal): Promise<ModelManifest> {
    if (publication.version <= publication.parent) throw new RangeError("A version must be newer than its parent");
    return await this.#writing.run(WRITING, async () => {
      const parent = await this.manifest(publication.parent);
      await this.#checkGroupFiles(publication);
      await ensureFreeSpace(this.layout.tmp, 2 * parent.full.bytes, this.#options.minFreeBytes);
      const manifest = await inScratch(this.layout, (scratch) => this.#assemble(publication, parent, scratch, signal));
      await this.#moveCurrent(manifest);
      return manifest;
    });
  }

  /** Keeps a version from `retain` while this process needs it. @returns what lets it go again. */
  pin(version: ModelVersion): () => void {
    this.#pins.set(version, (this.#pins.get(version) ?? 0) + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#pins.set(version, (this.#pins.get(version) ?? 1) - 1);
    };
  }

  /**
   * Deletes versions except the newest `keep`, the current one, and those pinned; then objects and momentum that no
   * version refers to.
   *
   * @returns the versions that are gone.
   */
  async retain(
    keep: number = this.#options.keepVersions,
    pinned: Iterable<ModelVersion> = [],
  ): Promise<readonly ModelVersion[]> {
    return await this.#writing.run(WRITING, async () => {
      const versions = await this.versions();
      const kept = new Set([...versions.slice(Math.max(0, versions.length - keep)), ...pinned, ...this.#pinned()]);
      const current = await this.current();
      if (current !== null) kept.add(current.version);
      const removed = versions.filter((version) => !kept.has(version));
      for (const version of removed) await this.#removeVersion(version);
      const freed = await removeUnreferenced(this.layout, await this.#referenced());
      if (removed.length > 0) this.#logger.info("Removed old versions", { versions: removed.join(" "), bytes: freed });
      return removed;
    });
  }

  /** Deletes the inspected submissions of every round older than `oldestKept`. @returns how many rounds. */
  async expireSubmissions(oldestKept: RoundId): Promise<number> {
    return await expireRounds(this.layout.submissions, oldestKept);
  }

  #pinned(): readonly ModelVersion[] {
    return [...this.#pins].filter(([, count]) => count > 0).map(([version]) => version);
  }

  async #cut(folder: ModelFolder, groups: ExpertGroups, signal?: AbortSignal): Promise<ModelManifest> {
    const groupOf = await groupsByTensor(folder, groups);
    const library = await TensorLibrary.open(folder.weightFiles.map((name) => join(folder.path, name)));
    try {
      const { sources } = library;
      this.#warnUnassigned(sources, groupOf);
      await ensureFreeSpace(this.layout.tmp, 2 * canonicalBytes(sources), this.#options.minFreeBytes);
      return await inScratch(this.layout, async (scratch) => {
        const files = await writeImportedFiles(this.layout, scratch, sources, groupOf, signal);
        const parts = { version: 0, parent: null, cycle: null, block: null, ...files };
        return await commitVersion(this.layout, scratch, parts, copiedCompanions(folder.path, folder.companions));
      });
    } finally {
      await library.close();
    }
  }

  #warnUnassigned(sources: readonly { readonly name: string }[], groupOf: ReadonlyMap<string, ExpertGroup>): void {
    const unassigned = sources.filter(({ name }) => expertOf(name) !== null && !groupOf.has(name)).length;
    if (unassigned > 0) this.#logger.warn("Experts without a group are shared", { tensors: unassigned });
  }

  async #checkGroupFiles({ parent, groupFiles }: Publication): Promise<void> {
    for (const [group, path] of groupFiles) {
      const expected = await this.groupTensors(parent, group);
      const actual = await tensorShapes(path);
      const describe = (tensors: typeof actual) => JSON.stringify([...tensors].sort(([a], [b]) => (a < b ? -1 : 1)));
      if (describe(expected) === describe(actual)) continue;
      throw new CheckpointError(CheckpointErrorCode.TensorsDiffer, "Group file does not hold the group's tensors", {
        fields: { parent, group, path },
      });
    }
  }

  async #assemble(
    { version, parent: parentVersion, cycle, block, groupFiles }: Publication,
    parent: ModelManifest,
    scratch: string,
    signal: AbortSignal | undefined,
  ): Promise<ModelManifest> {
    const groups: GroupFile[] = [];
    for (const file of parent.groups) {
      const path = groupFiles.get(file.group);
      groups.push(path === undefined ? file : await copyGroupFile(this.layout, scratch, file.group, path, signal));
    }
    const unchanged = groups.every(({ sha256 }, index) => sha256 === parent.groups[index]?.sha256);
    const existing = await readManifest(this.layout, version);
    if (existing !== null) return sameParts(existing, parent.shared, groups);
    const full = unchanged
      ? parent.full
      : await writeFullFile(this.layout, scratch, [parent.shared, ...groups], signal);
    const parts = { version, parent: parentVersion, cycle, block, shared: parent.shared, groups, full };
    return await commitVersion(this.layout, scratch, parts, await linkedCompanions(this.layout, parent));
  }

  async #moveCurrent({ version, digest }: ModelManifest): Promise<CurrentVersion> {
    const current = await this.current();
    if (current !== null && current.version >= version) return current;
    await writeJsonAtomic(this.layout.current, { version, digest });
    this.#logger.info("Published version", { version, digest });
    return { version, digest };
  }

  async #removeHalfVersion(name: string): Promise<void> {
    if (/^\d+$/.test(name) && (await readManifest(this.layout, Number(name))) !== null) return;
    await rm(join(this.layout.versions, name), { recursive: true, force: true });
  }

  /** Out of sight first, so that no reader meets a folder that is half deleted. */
  async #removeVersion(version: ModelVersion): Promise<void> {
    await inScratch(this.layout, async (scratch) => {
      await rename(this.layout.version(version), join(scratch, "removed"));
    });
    await rm(this.layout.momentumFolder(version), { recursive: true, force: true });
  }

  async #referenced(): Promise<ReadonlySet<string>> {
    const referenced = new Set<string>();
    for (const version of await this.versions()) {
      for (const { sha256 } of manifestFiles(await this.manifest(version))) referenced.add(sha256);
    }
    return referenced;
  }
}

const WRITING = "writing";

async function groupsByTensor(folder: ModelFolder, groups: ExpertGroups): Promise<ReadonlyMap<string, ExpertGroup>> {
  const groupOf = new Map<string, ExpertGroup>();
  for (const [group, { tensors }] of (await openModelSource(folder.path, { groups })).groups) {
    for (const name of tensors.keys()) {
      if (expertOf(name)?.expert === null) {
        throw new CheckpointError(CheckpointErrorCode.ModelInvalid, "Stacked experts cannot be cut into files", {
          fields: { tensor: name },
        });
      }
      groupOf.set(name, group);
    }
  }
  return groupOf;
}

function sameParts(existing: ModelManifest, shared: ModelFile, groups: readonly GroupFile[]): ModelManifest {
  const offered = completeManifest({ ...existing, shared, groups });
  if (offered.digest === existing.digest) return existing;
  throw versionConflict(existing.version, existing.digest, offered.digest);
}

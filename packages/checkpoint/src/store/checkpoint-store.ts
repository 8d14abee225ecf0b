import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { GroupFile, ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup, ModelVersion, RoundId } from "@assay/core/units";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import { writeJsonAtomic } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import type { FileDigest } from "../digest.ts";
import { ensureFreeSpace } from "../disk-space.ts";
import { describeGroups, type ExpertGroups } from "../model/expert-groups.ts";
import { findModelFiles } from "../model/model-folder.ts";
import { type ModelSource, openModelSource, openSlice } from "../model/model-source.ts";
import { expireRounds } from "../numbered-folders.ts";
import { Serial } from "../serial.ts";
import { type Adoption, adoptVersion, finishReplacement } from "./adoption.ts";
import { CheckpointReader, type CurrentVersion } from "./checkpoint-reader.ts";
import {
  checkWeights,
  describeModel,
  firstDifference,
  type ImportedModel,
  modelChanged,
  modelDigest,
  movedTo,
  readImportedModel,
  writeImportedModel,
} from "./imported-model.ts";
import { completeManifest, readManifest } from "./manifest.ts";
import { removeUnreferenced } from "./objects.ts";
import { composeParts, expertsOfNone } from "./version-parts.ts";
import {
  commitVersion,
  copiedCompanions,
  copyGroupFile,
  describeParts,
  inScratch,
  linkedCompanions,
  takeGroupFile,
  unhashed,
  versionConflict,
  writeFullDigest,
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
  /** Of those files that lie in the store's own `tmp/`, synced: the store takes them as they are. The others it copies. */
  readonly digests?: ReadonlyMap<ExpertGroup, FileDigest>;
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

  /** Makes the folders, ends what was decided before a crash, and removes what it left unfinished. */
  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { layout } = this;
    await finishReplacement(layout);
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
   * Makes version 0 of a Hugging Face folder, which stays where it is: every version reads it in place.
   *
   * Does nothing when this model was imported before, also when version 0 is long gone. The same files in another
   * folder are the same model that has moved: it is read from there from then on.
   *
   * @throws CheckpointError `CHECKPOINT_MODEL_CONFLICT` when another model, or other groups, were imported before;
   *   `CHECKPOINT_MODEL_CHANGED` when the folder that was imported holds other bytes now; `CHECKPOINT_MODEL_INVALID`,
   *   `CHECKPOINT_ASSIGNMENT_INVALID` when it cannot be cut; `CHECKPOINT_VOLUME_FULL`.
   */
  async importModel(
    modelPath: string,
    { groups }: { readonly groups: ExpertGroups },
    signal?: AbortSignal,
  ): Promise<CurrentVersion> {
    return await this.#writing.run(WRITING, async () => {
      const path = resolve(modelPath);
      const record = await readImportedModel(this.layout);
      const current = await this.current();
      if (record === null || current === null) return await this.#begin(path, groups, signal);
      await this.#continue(record, path, groups, signal);
      return current;
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
    return await this.#writing.run(WRITING, async () => {
      const manifest = await this.#prepare(publication, signal);
      await this.#moveCurrent(manifest);
      return manifest;
    });
  }

  /** Makes a version as {@link publish} does, and leaves the current one as it is. */
  async prepare(publication: Publication, signal?: AbortSignal): Promise<ModelManifest> {
    return await this.#writing.run(WRITING, () => this.#prepare(publication, signal));
  }

  /** Makes a prepared version the current one, unless a newer one is. */
  async makeCurrent(version: ModelVersion): Promise<CurrentVersion> {
    return await this.#writing.run(WRITING, async () => await this.#moveCurrent(await this.manifest(version)));
  }

  /**
   * Makes a version of others the current one, under their number, whatever is held or current here. Its momentum is in
   * place before it is.
   *
   * A version of that number and other content is replaced. A kill at any moment leaves the old one or the new one,
   * after the next start at the latest. Safe to repeat.
   *
   * @param isFree asked at the last moment when a version that was current before goes: whether nobody needs it
   * @returns null when somebody does
   * @throws CheckpointError `CHECKPOINT_HASH_MISMATCH` when the files do not make up what was named;
   *   `CHECKPOINT_VOLUME_FULL`. Nothing has changed then.
   */
  async adopt(
    adoption: Adoption,
    isFree: () => Promise<boolean>,
    signal?: AbortSignal,
  ): Promise<CurrentVersion | null> {
    return await this.#writing.run(WRITING, async () => {
      await ensureFreeSpace(this.layout.tmp, await sizeOf(adoption.groupFiles.values()), this.#options.minFreeBytes);
      const mayGoBack = async () => !this.#pinned().includes(adoption.version) && (await isFree());
      const adopted = await adoptVersion(this, adoption, mayGoBack, signal);
      if (adopted !== null) this.#logger.info("Published version", { ...adopted });
      return adopted;
    });
  }

  /**
   * Hashes the file of all tensors of a version, unless its digest is known; reads the whole model. The version may be
   * replaced or removed meanwhile.
   *
   * @throws CheckpointError as {@link parts} does, also while it is read.
   */
  async describeFull(version: ModelVersion, signal?: AbortSignal): Promise<void> {
    const { manifest, parts } = await this.whole(version);
    if (manifest.full.sha256 !== null) return;
    const { sha256 } = await parts.full.digest(signal);
    await this.#writing.run(WRITING, () => writeFullDigest(this, manifest, sha256));
  }

  /** Removes a prepared version that never became current, and its momentum; a version that was is left alone. */
  async discard(version: ModelVersion): Promise<void> {
    await this.#writing.run(WRITING, async () => {
      const current = await this.current();
      if (current !== null && version <= current.version) return;
      if ((await this.versions()).includes(version)) await this.#removeVersion(version);
      await rm(this.layout.momentumFolder(version), { recursive: true, force: true });
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

  async #begin(path: string, groups: ExpertGroups, signal?: AbortSignal): Promise<CurrentVersion> {
    const { layout } = this;
    const folder = await findModelFiles(path);
    const source = await openModelSource(path, { groups });
    const companions = folder.companions.map((name) => join(path, name));
    await ensureFreeSpace(layout.tmp, await sizeOf(companions), this.#options.minFreeBytes);
    const experts = new Map([...source.groups].map(([group, { experts }]) => [group, experts]));
    const record = await describeModel(folder, groups, experts, signal);
    const parts = await composeParts(layout, source, await checkWeights(record), { groups: [] });
    const files = await describeParts(parts, signal);
    await writeImportedModel(layout, record);
    this.#logFrozen(source);
    const version = { version: 0, parent: null, cycle: null, block: null, model: modelDigest(record), ...files };
    const manifest = await inScratch(layout, (scratch) =>
      commitVersion(layout, scratch, version, copiedCompanions(path, folder.companions)),
    );
    return await this.#moveCurrent(manifest);
  }

  async #continue(record: ImportedModel, path: string, groups: ExpertGroups, signal?: AbortSignal): Promise<void> {
    const { cut, directory: imported } = record;
    const wanted = describeGroups(groups);
    if (cut !== wanted) throw modelConflict("The model was cut in other groups", { imported: cut, wanted });
    if (path === imported) await checkWeights(record);
    const different = await firstDifference(record, await findModelFiles(path), signal);
    if (different !== null && path === imported) throw modelChanged(join(path, different));
    if (different !== null) throw modelConflict("The store reads another model", { imported, path, file: different });
    await writeImportedModel(this.layout, await movedTo(record, path));
    if (path !== imported) this.#logger.info("Model has moved", { from: imported, to: path });
  }

  #logFrozen(source: ModelSource): void {
    const experts = [...expertsOfNone(source).values()].flat().length;
    if (experts > 0) this.#logger.info("Experts of no group are part of what is shared", { experts });
  }

  async #checkGroupFiles({ parent, groupFiles }: Publication): Promise<void> {
    for (const [group, path] of groupFiles) await openSlice(path, await this.group(parent, group));
  }

  async #assemble(
    { version, parent: parentVersion, cycle, block, ...files }: Publication,
    parent: ModelManifest,
    scratch: string,
    signal: AbortSignal | undefined,
  ): Promise<ModelManifest> {
    const groups: GroupFile[] = [];
    for (const file of parent.groups) {
      const stored = await this.#storeGroupFile(file.group, files, scratch, signal);
      groups.push(stored === null || stored.sha256 === file.sha256 ? file : stored);
    }
    const existing = await readManifest(this.layout, version);
    if (existing !== null) return sameParts(existing, parent, groups);
    const unchanged = groups.every((file, index) => file === parent.groups[index]);
    const full = unchanged ? parent.full : unhashed(parent.full);
    const { model, shared } = parent;
    const parts = { version, parent: parentVersion, cycle, block, model, shared, groups, full };
    return await commitVersion(this.layout, scratch, parts, await linkedCompanions(this.layout, parent));
  }

  /** Null for a group that has no new file. */
  async #storeGroupFile(
    group: ExpertGroup,
    { groupFiles, digests }: Pick<Publication, "groupFiles" | "digests">,
    scratch: string,
    signal: AbortSignal | undefined,
  ): Promise<GroupFile | null> {
    const path = groupFiles.get(group);
    if (path === undefined) return null;
    const digest = digests?.get(group);
    if (digest !== undefined) return await takeGroupFile(this.layout, group, path, digest);
    return await copyGroupFile(this.layout, scratch, group, path, signal);
  }

  async #prepare(publication: Publication, signal: AbortSignal | undefined): Promise<ModelManifest> {
    if (publication.version <= publication.parent) throw new RangeError("A version must be newer than its parent");
    const parent = await this.manifest(publication.parent);
    await this.#checkGroupFiles(publication);
    await ensureFreeSpace(this.layout.tmp, await sizeOf(publication.groupFiles.values()), this.#options.minFreeBytes);
    return await inScratch(this.layout, (scratch) => this.#assemble(publication, parent, scratch, signal));
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
      const stored = (await this.manifest(version)).groups.filter(({ storage }) => storage === "object");
      for (const { sha256 } of stored) referenced.add(sha256);
    }
    return referenced;
  }
}

const WRITING = "writing";

function sameParts(existing: ModelManifest, { shared }: ModelManifest, groups: readonly GroupFile[]): ModelManifest {
  const offered = completeManifest({ ...existing, shared, groups });
  if (offered.digest === existing.digest) return existing;
  throw versionConflict(existing.version, existing.digest, offered.digest);
}

function modelConflict(message: string, fields: Readonly<Record<string, string>>): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.ModelConflict, message, { fields });
}

async function sizeOf(paths: Iterable<string>): Promise<number> {
  const sizes = await Promise.all([...paths].map(async (path) => (await stat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

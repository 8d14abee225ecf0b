import { createHash } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type GroupFile, type ModelManifest, modelManifestSchema } from "@assay/core/model-manifest";
import type { ExpertGroup, ModelVersion, Sha256Hex } from "@assay/core/units";
import { isSystemError, readJson, syncFolder, writeJsonAtomic } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { type CheckpointLayout, groupFileName } from "../layout.ts";
import { momentumList } from "../merge/momentum-digest.ts";
import type { CheckpointReader, CurrentVersion } from "./checkpoint-reader.ts";
import { completeManifest } from "./manifest.ts";
import { linkOrCopy } from "./objects.ts";
import { commitVersion, copyGroupFile, inScratch, linkedCompanions, unhashed } from "./version-writer.ts";

/** A version that others made, to become the current one here under the number that they gave it. */
export interface Adoption {
  readonly version: ModelVersion;
  readonly digest: Sha256Hex;
  /** SHA-256 of every group's file. */
  readonly groups: ReadonlyMap<ExpertGroup, Sha256Hex>;
  /** Files of the groups that no version here has. The caller keeps them. */
  readonly groupFiles: ReadonlyMap<ExpertGroup, string>;
  /** Momentum by group, all that there is of it. The caller keeps the files. */
  readonly momentumFiles: ReadonlyMap<ExpertGroup, string>;
  readonly momentumDigest: Sha256Hex;
}

/**
 * Makes a version of others the current one, by one writer at a time.
 *
 * @param mayGoBack asked at the last moment when the current version has its number or a higher one
 * @returns null when it may not.
 */
export async function adoptVersion(
  reader: CheckpointReader,
  adoption: Adoption,
  mayGoBack: () => Promise<boolean>,
  signal?: AbortSignal,
): Promise<CurrentVersion | null> {
  const { layout } = reader;
  const { version, digest } = adoption;
  return await inScratch(layout, async (scratch) => {
    const current = await currentManifest(reader);
    const manifest = await describeAdopted(reader, adoption, current, scratch, signal);
    await stageMomentum(layout, adoption, signal);
    if (current.version >= version && !(await mayGoBack())) return null;
    signal?.throwIfAborted();
    if ((await reader.versions()).includes(version)) await replaceVersion(layout, manifest);
    else await addVersion(layout, manifest, current, scratch);
    return { version, digest };
  });
}

/** A version's group file with this content that some version here has; null when none has it. */
export async function heldGroupFile(
  reader: CheckpointReader,
  group: ExpertGroup,
  sha256: Sha256Hex,
): Promise<GroupFile | null> {
  for (const version of (await reader.versions()).toReversed()) {
    const { groups } = await reader.manifest(version);
    const held = groups.find((file) => file.group === group && file.sha256 === sha256);
    if (held !== undefined) return held;
  }
  return null;
}

async function currentManifest(reader: CheckpointReader): Promise<ModelManifest> {
  const current = await reader.current();
  if (current === null) throw new RangeError("No model was imported");
  return await reader.manifest(current.version);
}

async function describeAdopted(
  reader: CheckpointReader,
  adoption: Adoption,
  current: ModelManifest,
  scratch: string,
  signal: AbortSignal | undefined,
): Promise<ModelManifest> {
  const groups = await adoptGroupFiles(reader, adoption, scratch, signal);
  const { model, shared } = current;
  const full = current.digest === adoption.digest ? current.full : unhashed(current.full);
  const made = { version: adoption.version, parent: null, cycle: null, block: null };
  const manifest = completeManifest({ ...made, model, shared, groups, full });
  if (manifest.digest === adoption.digest) return manifest;
  throw mismatch("manifest.json", adoption.digest, manifest.digest);
}

/** Nothing is read under this number yet: the version appears whole, and its momentum before it. */
async function addVersion(
  layout: CheckpointLayout,
  manifest: ModelManifest,
  current: ModelManifest,
  scratch: string,
): Promise<void> {
  const { version, digest } = manifest;
  await placeMomentum(layout, version);
  await commitVersion(layout, scratch, manifest, await linkedCompanions(layout, current));
  await writeJsonAtomic(layout.current, { version, digest });
}

/**
 * The group files of an adoption, each of them here; what was fetched is copied into the objects.
 *
 * @throws CheckpointError `CHECKPOINT_HASH_MISMATCH` when a fetched file is not what was named;
 *   `CHECKPOINT_VERSION_MISSING` when a file that was not fetched is not here (any more).
 */
async function adoptGroupFiles(
  reader: CheckpointReader,
  { groups, groupFiles }: Adoption,
  scratch: string,
  signal?: AbortSignal,
): Promise<readonly GroupFile[]> {
  const files: GroupFile[] = [];
  for (const [group, sha256] of groups) {
    const path = groupFiles.get(group);
    const file =
      path === undefined
        ? await heldGroupFile(reader, group, sha256)
        : await copyGroupFile(reader.layout, scratch, group, path, signal);
    if (file === null) throw notHeld(group, sha256);
    if (file.sha256 !== sha256) throw mismatch(groupFileName(group), sha256, file.sha256);
    files.push(file);
  }
  return files;
}

/**
 * Lays an adoption's momentum beside that of the version whose number it takes.
 *
 * @throws CheckpointError `CHECKPOINT_HASH_MISMATCH` when it is not the momentum that was named.
 */
export async function stageMomentum(
  layout: CheckpointLayout,
  { version, groups, momentumFiles, momentumDigest: expected }: Adoption,
  signal?: AbortSignal,
): Promise<void> {
  const staged = layout.nextMomentumFolder(version);
  await rm(staged, { recursive: true, force: true });
  await mkdir(staged, { recursive: true });
  for (const [group, path] of momentumFiles) await linkOrCopy(path, join(staged, groupFileName(group)));
  await syncFolder(staged);
  const list = await momentumList((group) => join(staged, groupFileName(group)), groups.keys(), signal);
  const actual = createHash("sha256").update(list).digest("hex");
  if (actual !== expected) throw mismatch("momentum", expected, actual);
}

/** Gives staged momentum its place. Whatever lay there goes. */
export async function placeMomentum(layout: CheckpointLayout, version: ModelVersion): Promise<void> {
  const folder = layout.momentumFolder(version);
  const staged = layout.nextMomentumFolder(version);
  if (!(await momentumFolders(layout)).includes(staged)) return;
  await rm(folder, { recursive: true, force: true });
  await rename(staged, folder);
  await syncFolder(layout.allMomentum);
}

/**
 * Puts a version in the place of another one of its number, and makes it the current one.
 *
 * From the first write on it is decided, and {@link finishReplacement} ends it after a kill. Readers see one manifest or
 * the other: the folder's other files are the same in all versions, and tensors are found by their content.
 */
async function replaceVersion(layout: CheckpointLayout, manifest: ModelManifest): Promise<void> {
  await writeJsonAtomic(layout.replacement, manifest);
  await finishReplacement(layout);
}

/** Ends a replacement that was decided; does nothing otherwise. Removes momentum that was staged for nothing. */
export async function finishReplacement(layout: CheckpointLayout): Promise<void> {
  const manifest = await readJson(layout.replacement, modelManifestSchema, CheckpointErrorCode.ManifestInvalid);
  if (manifest !== null) {
    const { version, digest } = manifest;
    await placeMomentum(layout, version);
    await writeJsonAtomic(layout.manifest(version), manifest);
    await writeJsonAtomic(layout.current, { version, digest });
    await rm(layout.replacement);
    await syncFolder(layout.state);
  }
  for (const folder of await momentumFolders(layout)) {
    if (folder.endsWith(layout.nextSuffix)) await rm(folder, { recursive: true, force: true });
  }
}

async function momentumFolders(layout: CheckpointLayout): Promise<readonly string[]> {
  try {
    return (await readdir(layout.allMomentum)).map((name) => join(layout.allMomentum, name));
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}

function notHeld(group: ExpertGroup, sha256: Sha256Hex): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.VersionMissing, "No version here has the group's file", {
    retryable: true,
    fields: { group, sha256 },
  });
}

function mismatch(file: string, expected: Sha256Hex, actual: Sha256Hex): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.HashMismatch, "What was fetched is not what was named", {
    fields: { file, expected, actual },
  });
}

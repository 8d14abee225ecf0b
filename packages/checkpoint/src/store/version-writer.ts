import { randomUUID } from "node:crypto";
import { copyFile, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ModelFile, ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup } from "@assay/core/units";
import { isSystemError, syncFile, syncFolder, writeJsonAtomic } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { type FileDigest, sha256File } from "../digest.ts";
import { type CheckpointLayout, FULL_FILE, groupFileName, MANIFEST_FILE, SHARED_FILE } from "../layout.ts";
import { type TensorSource, writeSafetensors } from "../safetensors/write.ts";
import { completeManifest, type GroupFile, type ManifestParts, manifestFiles, readManifest } from "./manifest.ts";
import { adoptObject, linkObject, linkOrCopy } from "./objects.ts";
import { TensorLibrary } from "./tensor-library.ts";

/** Runs `work` with an empty folder under `tmp/` that is gone afterwards, however it ended. */
export async function inScratch<T>(layout: CheckpointLayout, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(layout.tmp, randomUUID());
  await mkdir(folder, { recursive: true });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes the shared file, the group files and the full file of an imported model into the objects. */
export async function writeImportedFiles(
  layout: CheckpointLayout,
  scratch: string,
  sources: readonly TensorSource[],
  groups: ReadonlyMap<string, ExpertGroup>,
  signal?: AbortSignal,
): Promise<Pick<ManifestParts, "shared" | "groups" | "full">> {
  const store = async (name: string, tensors: readonly TensorSource[]): Promise<ModelFile> => {
    const path = join(scratch, name);
    return await adopt(layout, name, path, await writeSafetensors(path, tensors, signal));
  };
  const shared = await store(
    SHARED_FILE,
    sources.filter(({ name }) => !groups.has(name)),
  );
  const groupFiles: GroupFile[] = [];
  for (const group of [...new Set(groups.values())].sort((left, right) => left - right)) {
    const tensors = sources.filter(({ name }) => groups.get(name) === group);
    groupFiles.push({ group, ...(await store(groupFileName(group), tensors)) });
  }
  return { shared, groups: groupFiles, full: await store(FULL_FILE, sources) };
}

/** Copies a finished group file into the objects; the caller keeps its own. */
export async function copyGroupFile(
  layout: CheckpointLayout,
  scratch: string,
  group: ExpertGroup,
  path: string,
  signal?: AbortSignal,
): Promise<GroupFile> {
  const name = groupFileName(group);
  const copy = join(scratch, name);
  await copyFile(path, copy);
  await syncFile(copy);
  return { group, ...(await adopt(layout, name, copy, await sha256File(copy, signal))) };
}

/** Writes the full file from the shared and group objects, one chunk of one tensor at a time. */
export async function writeFullFile(
  layout: CheckpointLayout,
  scratch: string,
  parts: readonly ModelFile[],
  signal?: AbortSignal,
): Promise<ModelFile> {
  const library = await TensorLibrary.open(parts.map(({ sha256 }) => layout.object(sha256)));
  try {
    const path = join(scratch, FULL_FILE);
    return await adopt(layout, FULL_FILE, path, await writeSafetensors(path, library.sources, signal));
  } finally {
    await library.close();
  }
}

/**
 * Makes a version exist: a folder of links built out of sight, renamed into place.
 *
 * A version that exists with the same digest is left as it is.
 *
 * @param companions paths of the configuration and tokenizer files that go along; never changed in place.
 * @throws CheckpointError `CHECKPOINT_VERSION_CONFLICT` when it exists with another digest.
 */
export async function commitVersion(
  layout: CheckpointLayout,
  scratch: string,
  parts: ManifestParts,
  companions: readonly CompanionFile[],
): Promise<ModelManifest> {
  const manifest = completeManifest(parts);
  const folder = join(scratch, "version");
  await mkdir(folder);
  for (const { name, sha256 } of manifestFiles(manifest)) await linkObject(layout, sha256, join(folder, name));
  for (const { path, name, place } of companions) await place(path, join(folder, name));
  await writeJsonAtomic(join(folder, MANIFEST_FILE), manifest);
  try {
    await rename(folder, layout.version(manifest.version));
  } catch (error) {
    if (!isSystemError(error, "ENOTEMPTY", "EEXIST")) throw error;
    return await sameVersion(layout, manifest);
  }
  await syncFolder(layout.versions);
  return manifest;
}

/** A configuration or tokenizer file and how it gets into a version's folder. */
export interface CompanionFile {
  readonly path: string;
  readonly name: string;
  readonly place: (source: string, target: string) => Promise<void>;
}

/** Files of someone else's folder: copied. */
export function copiedCompanions(folder: string, names: readonly string[]): readonly CompanionFile[] {
  const place = async (source: string, target: string): Promise<void> => {
    await copyFile(source, target);
    await syncFile(target);
  };
  return names.map((name) => ({ path: join(folder, name), name, place }));
}

/** The configuration and tokenizer files of another version: linked. */
export async function linkedCompanions(
  layout: CheckpointLayout,
  from: ModelManifest,
): Promise<readonly CompanionFile[]> {
  const folder = layout.version(from.version);
  const own = new Set([MANIFEST_FILE, ...manifestFiles(from).map(({ name }) => name)]);
  const names = (await readdir(folder)).filter((name) => !own.has(name));
  return names.map((name) => ({ path: join(folder, name), name, place: linkOrCopy }));
}

async function adopt(layout: CheckpointLayout, name: string, path: string, digest: FileDigest): Promise<ModelFile> {
  await adoptObject(layout, path, digest);
  return { name, bytes: digest.bytes, sha256: digest.sha256 };
}

async function sameVersion(layout: CheckpointLayout, manifest: ModelManifest): Promise<ModelManifest> {
  const existing = await readManifest(layout, manifest.version);
  if (existing !== null && existing.digest === manifest.digest) return existing;
  throw versionConflict(manifest.version, existing?.digest, manifest.digest);
}

/** The error for a version that exists with other content. */
export function versionConflict(version: number, existing: string | undefined, offered: string): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.VersionConflict, "Version exists with other content", {
    fields: { version, existing, offered },
  });
}

import { randomUUID } from "node:crypto";
import { copyFile, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FullFile, GroupFile, ModelManifest } from "@assay/core/model-manifest";
import type { ExpertGroup, Sha256Hex } from "@assay/core/units";
import { isSystemError, syncFile, syncFolder, writeJsonAtomic } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { type FileDigest, sha256File } from "../digest.ts";
import { type CheckpointLayout, FULL_FILE, groupFileName, MANIFEST_FILE, SHARED_FILE } from "../layout.ts";
import type { CheckpointReader } from "./checkpoint-reader.ts";
import { completeManifest, type ManifestParts, readManifest } from "./manifest.ts";
import { adoptObject, linkOrCopy } from "./objects.ts";
import type { VersionParts } from "./version-parts.ts";

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

/** Hashes the files that an imported model is handed out as; writes nothing. */
export async function describeParts(
  { shared, groups, full }: VersionParts,
  signal?: AbortSignal,
): Promise<Pick<ManifestParts, "shared" | "groups" | "full">> {
  const files: GroupFile[] = [];
  for (const [group, file] of groups) {
    files.push({ group, storage: "model", name: groupFileName(group), ...(await file.digest(signal)) });
  }
  return {
    shared: { name: SHARED_FILE, ...(await shared.digest(signal)) },
    groups: files,
    full: { name: FULL_FILE, ...(await full.digest(signal)) },
  };
}

/** The file of all tensors of a version that has other tensors of the same shapes: not hashed yet. */
export function unhashed(full: FullFile): FullFile {
  return { ...full, sha256: null };
}

/**
 * Writes the digest of a version's file of all tensors into its manifest, by one writer at a time. Whoever follows the
 * current version is told.
 *
 * Does nothing when the version is gone, or another one has its number.
 */
export async function writeFullDigest(
  reader: CheckpointReader,
  { version, digest }: ModelManifest,
  sha256: Sha256Hex,
): Promise<void> {
  const { layout } = reader;
  const manifest = await readManifest(layout, version);
  if (manifest?.digest !== digest) return;
  await writeJsonAtomic(layout.manifest(version), { ...manifest, full: { ...manifest.full, sha256 } });
  const current = await reader.current();
  if (current?.digest === digest) await writeJsonAtomic(layout.current, current);
}

/**
 * Takes a group's file that lies in the store's `tmp/`, synced: it is moved, and the digest that was computed as it was
 * written counts.
 */
export async function takeGroupFile(
  layout: CheckpointLayout,
  group: ExpertGroup,
  path: string,
  digest: FileDigest,
): Promise<GroupFile> {
  await adoptObject(layout, path, digest);
  return { group, storage: "object", name: groupFileName(group), ...digest };
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
  const digest = await sha256File(copy, signal);
  await adoptObject(layout, copy, digest);
  return { group, storage: "object", name, ...digest };
}

/**
 * Makes a version exist: a folder built out of sight, renamed into place.
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
  const names = (await readdir(folder)).filter((name) => name !== MANIFEST_FILE);
  return names.map((name) => ({ path: join(folder, name), name, place: linkOrCopy }));
}

async function sameVersion(layout: CheckpointLayout, manifest: ModelManifest): Promise<ModelManifest> {
  const existing = await readManifest(layout, manifest.version);
  if (existing?.digest === manifest.digest && existing.model === manifest.model) return existing;
  throw versionConflict(manifest.version, existing?.digest, manifest.digest);
}

/** The error for a version that exists with other content. */
export function versionConflict(version: number, existing: string | undefined, offered: string): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.VersionConflict, "Version exists with other content", {
    fields: { version, existing, offered },
  });
}

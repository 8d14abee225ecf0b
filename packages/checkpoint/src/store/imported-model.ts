import { createHash } from "node:crypto";
import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { ExpertGroup, Sha256Hex } from "@assay/core/units";
import { z } from "zod";
import { isSystemError, readJson, writeJsonAtomic } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { sha256File } from "../digest.ts";
import type { CheckpointLayout } from "../layout.ts";
import { describeGroups, type ExpertGroups, type GroupExperts } from "../model/expert-groups.ts";
import type { ModelFolder } from "../model/model-folder.ts";
import { storeOutdated } from "./old-store.ts";

/** The model that the store was started from and still reads: `state/imported-model.json`. */
export interface ImportedModel {
  readonly schema: 2;
  /** Absolute path of its folder. */
  readonly directory: string;
  /** How it was cut: the same text for the same cut. */
  readonly cut: string;
  /** What the cut came to, ascending by group; experts by layer in the order of their rows. */
  readonly groups: readonly { readonly group: ExpertGroup; readonly experts: Readonly<Record<string, number[]>> }[];
  /** The safetensors files, in the folder and only there. */
  readonly weights: readonly ImportedFile[];
  /** Configuration and tokenizer, which every version has a copy of. */
  readonly companions: readonly ImportedFile[];
}

export interface ImportedFile {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedMillis: number;
  readonly sha256: Sha256Hex;
}

/** Size and time of a file whose content is known: as long as they stay, so does the content. */
export interface FileStamp {
  readonly bytes: number;
  readonly modifiedMillis: number;
}

/** The record of the import; null before one was completed. */
export async function readImportedModel(layout: CheckpointLayout): Promise<ImportedModel | null> {
  const path = layout.importedModel;
  const record = await readJson(path, importedModelSchema, CheckpointErrorCode.ManifestInvalid);
  if (record?.schema === 1) throw storeOutdated(path);
  return record;
}

/** The model that a version refers to. @throws CheckpointError `CHECKPOINT_MANIFEST_INVALID` when it is another one. */
export async function importedModel(layout: CheckpointLayout, digest: Sha256Hex): Promise<ImportedModel> {
  const record = await readImportedModel(layout);
  if (record !== null && modelDigest(record) === digest) return record;
  throw new CheckpointError(CheckpointErrorCode.ManifestInvalid, "A version refers to a model that is not recorded", {
    fields: { path: layout.importedModel, model: digest },
  });
}

/** Names the model that a version's tensors are read from: its cut and its files' digests. */
export function modelDigest({ cut, weights }: Pick<ImportedModel, "cut" | "weights">): Sha256Hex {
  const lines = [cut, ...weights.map(({ name, sha256 }) => `${sha256} ${name}`)];
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}

/** Hashes a folder's files: what the store will read from now on. */
export async function describeModel(
  folder: ModelFolder,
  groups: ExpertGroups,
  experts: ReadonlyMap<ExpertGroup, GroupExperts>,
  signal?: AbortSignal,
): Promise<ImportedModel> {
  return {
    schema: 2,
    directory: folder.path,
    cut: describeGroups(groups),
    groups: [...experts].map(([group, layers]) => ({
      group,
      experts: Object.fromEntries([...layers].map(([layer, members]) => [layer, [...members]])),
    })),
    weights: await hashFiles(folder.path, folder.weightFiles, signal),
    companions: await hashFiles(folder.path, folder.companions, signal),
  };
}

export async function writeImportedModel(layout: CheckpointLayout, record: ImportedModel): Promise<void> {
  await writeJsonAtomic(layout.importedModel, record);
}

/** The experts of each group of the imported model. */
export function groupsOf({ groups }: ImportedModel): ReadonlyMap<ExpertGroup, GroupExperts> {
  return new Map(
    groups.map(({ group, experts }) => [
      group,
      new Map(Object.entries(experts).map(([layer, members]) => [Number(layer), members])),
    ]),
  );
}

/**
 * Makes sure that the weights are what was imported. A file whose size or time differs is hashed.
 *
 * @returns the files' stamps by path, to notice a later change.
 * @throws CheckpointError `CHECKPOINT_MODEL_CHANGED` with the first file that is gone or holds other bytes.
 */
export async function checkWeights(record: ImportedModel): Promise<ReadonlyMap<string, FileStamp>> {
  const stamps = new Map<string, FileStamp>();
  for (const file of record.weights) {
    const path = join(record.directory, file.name);
    const stamp = await stampOf(path);
    if (stamp === null || !(await holdsSame(path, stamp, file))) throw modelChanged(path);
    stamps.set(path, stamp);
  }
  return stamps;
}

/**
 * The first file of a folder that is not what was imported; null when all are. In another folder than the one that was
 * imported, sizes and times prove nothing, and everything is hashed.
 */
export async function firstDifference(
  record: ImportedModel,
  folder: ModelFolder,
  signal?: AbortSignal,
): Promise<string | null> {
  const recorded = new Map([...record.weights, ...record.companions].map((file) => [file.name, file]));
  const names = [...folder.weightFiles, ...folder.companions];
  for (const name of names) {
    const file = recorded.get(name);
    const stamp = await stampOf(join(folder.path, name));
    if (file === undefined || stamp === null) return name;
    const modifiedMillis = folder.path === record.directory ? file.modifiedMillis : Number.NaN;
    if (!(await holdsSame(join(folder.path, name), stamp, { ...file, modifiedMillis }, signal))) return name;
    recorded.delete(name);
  }
  return recorded.keys().next().value ?? null;
}

/** A record that reads the same model from where it lies now, with the times that its files have there. */
export async function movedTo(record: ImportedModel, directory: string): Promise<ImportedModel> {
  const restamp = async (file: ImportedFile): Promise<ImportedFile> => {
    return { ...file, ...(await stampOf(join(directory, file.name))) };
  };
  return {
    ...record,
    directory,
    weights: await Promise.all(record.weights.map(restamp)),
    companions: await Promise.all(record.companions.map(restamp)),
  };
}

/** The stamp of a file as it is now; null when there is none. */
export async function stampOf(path: string): Promise<FileStamp | null> {
  try {
    return stampFrom(await stat(path));
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return null;
    throw error;
  }
}

export function stampFrom({ size, mtimeMs }: Stats): FileStamp {
  return { bytes: size, modifiedMillis: Math.floor(mtimeMs) };
}

/** The error for a file of the imported model that does not hold what it held. */
export function modelChanged(path: string, cause?: unknown): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.ModelChanged, "A file of the imported model changed or is gone", {
    fields: { path },
    cause,
  });
}

const importedFile = z.strictObject({
  name: z.string(),
  bytes: z.int().nonnegative(),
  modifiedMillis: z.int(),
  sha256: z.string(),
});
const importedModelSchema = z.union([
  z.strictObject({
    schema: z.literal(2),
    directory: z.string(),
    cut: z.string(),
    groups: z.array(
      z.strictObject({ group: z.int().nonnegative(), experts: z.record(z.string(), z.array(z.int().nonnegative())) }),
    ),
    weights: z.array(importedFile),
    companions: z.array(importedFile),
  }),
  z.looseObject({ schema: z.literal(1) }),
]);

async function hashFiles(
  folder: string,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly ImportedFile[]> {
  const files: ImportedFile[] = [];
  for (const name of [...names].sort()) {
    const path = join(folder, name);
    const before = await stampOf(path);
    const { sha256, bytes } = await sha256File(path, signal);
    const after = await stampOf(path);
    if (before === null || after?.modifiedMillis !== before.modifiedMillis || after.bytes !== bytes) {
      throw modelChanged(path);
    }
    files.push({ name, ...after, sha256 });
  }
  return files;
}

async function holdsSame(path: string, stamp: FileStamp, file: ImportedFile, signal?: AbortSignal): Promise<boolean> {
  if (stamp.bytes !== file.bytes) return false;
  if (stamp.modifiedMillis === file.modifiedMillis) return true;
  return (await hashOnce(path, stamp, signal)) === file.sha256;
}

/** Digests of files by path and stamp: a file that was touched is hashed once per process and not at every look. */
const hashes = new Map<string, Promise<Sha256Hex>>();

async function hashOnce(path: string, { bytes, modifiedMillis }: FileStamp, signal?: AbortSignal): Promise<Sha256Hex> {
  const key = `${path}\n${bytes}\n${modifiedMillis}`;
  const known = hashes.get(key);
  if (known !== undefined) return await known;
  const hash = sha256File(path, signal).then(({ sha256 }) => sha256);
  hashes.set(key, hash);
  try {
    return await hash;
  } catch (error) {
    hashes.delete(key);
    throw error;
  }
}

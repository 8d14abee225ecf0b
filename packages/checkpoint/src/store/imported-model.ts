import { join } from "node:path";
import { z } from "zod";
import { readJson, writeJsonAtomic } from "../atomic-write.ts";
import { CheckpointErrorCode } from "../checkpoint-error.ts";
import { sha256File } from "../digest.ts";
import type { CheckpointLayout } from "../layout.ts";
import { describeGroups, type ExpertGroups } from "../model/expert-groups.ts";
import { describeFiles, type ModelFolder } from "../model/model-folder.ts";

/** What version 0 was cut from: `state/imported-model.json`. */
export interface ImportedModel {
  readonly schema: 1;
  /** How the model was cut. */
  readonly groups: string;
  readonly files: readonly ImportedFile[];
}

interface ImportedFile {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedMillis: number;
  readonly sha256: string;
}

const importedModelSchema = z.strictObject({
  schema: z.literal(1),
  groups: z.string(),
  files: z.array(
    z.strictObject({
      name: z.string(),
      bytes: z.int().nonnegative(),
      modifiedMillis: z.int(),
      sha256: z.string(),
    }),
  ),
});

/** The record of the import; null before one was completed. */
export async function readImportedModel(layout: CheckpointLayout): Promise<ImportedModel | null> {
  return await readJson(layout.importedModel, importedModelSchema, CheckpointErrorCode.ManifestInvalid);
}

/** Hashes the folder's files and records them as what version 0 was cut from. */
export async function recordImportedModel(
  layout: CheckpointLayout,
  folder: ModelFolder,
  groups: ExpertGroups,
  signal?: AbortSignal,
): Promise<void> {
  const files: ImportedFile[] = [];
  for (const file of await describeFiles(folder)) {
    const { sha256 } = await sha256File(join(folder.path, file.name), signal);
    files.push({ ...file, sha256 });
  }
  const record: ImportedModel = { schema: 1, groups: describeGroups(groups), files };
  await writeJsonAtomic(layout.importedModel, record);
}

/** Whether a folder holds what was imported. Hashes only files whose time changed while their size did not. */
export async function isImported(
  record: ImportedModel,
  folder: ModelFolder,
  groups: ExpertGroups,
  signal?: AbortSignal,
): Promise<boolean> {
  const files = await describeFiles(folder);
  if (record.groups !== describeGroups(groups) || record.files.length !== files.length) return false;
  for (const [index, file] of files.entries()) {
    const recorded = record.files[index];
    if (recorded === undefined || recorded.name !== file.name || recorded.bytes !== file.bytes) return false;
    if (recorded.modifiedMillis === file.modifiedMillis) continue;
    if ((await sha256File(join(folder.path, file.name), signal)).sha256 !== recorded.sha256) return false;
  }
  return true;
}

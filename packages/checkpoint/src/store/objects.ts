import { copyFile, link, readdir, rename, rm } from "node:fs/promises";
import type { GroupFile } from "@assay/core/model-manifest";
import { isSystemError, syncFile, syncFolder } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import type { FileDigest } from "../digest.ts";
import type { CheckpointLayout } from "../layout.ts";
import { type FileStamp, stampOf } from "./imported-model.ts";

/** Moves a complete, synced file of the store's `tmp/` to its place by content. One that is there already stays. */
export async function adoptObject(layout: CheckpointLayout, path: string, digest: FileDigest): Promise<void> {
  const object = layout.object(digest.sha256);
  if ((await stampOf(object))?.bytes === digest.bytes) {
    await rm(path);
    return;
  }
  await rename(path, object);
  await syncFolder(layout.objects);
}

/** A group's file in the store, and its stamp as it is now. */
export interface StoredObject {
  readonly path: string;
  readonly stamp: FileStamp;
}

/** @throws CheckpointError `CHECKPOINT_VERSION_MISSING` when the file is gone or not whole. */
export async function requireObject(layout: CheckpointLayout, file: GroupFile): Promise<StoredObject> {
  const path = layout.object(file.sha256);
  const stamp = await stampOf(path);
  if (stamp?.bytes === file.bytes) return { path, stamp };
  throw new CheckpointError(CheckpointErrorCode.VersionMissing, "A group's file is not whole in the store", {
    fields: { file: file.name, path, expectedBytes: file.bytes, foundBytes: stamp?.bytes },
  });
}

/** A second name for a file that never changes; a copy where the volume refuses hard links. */
export async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    if (!isSystemError(error, "EPERM", "EXDEV", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS")) throw error;
    await copyFile(source, target);
    await syncFile(target);
  }
}

/** Removes every object that is not in `referenced`. @returns bytes freed. */
export async function removeUnreferenced(layout: CheckpointLayout, referenced: ReadonlySet<string>): Promise<number> {
  let freed = 0;
  for (const name of await readdir(layout.objects)) {
    if (referenced.has(name)) continue;
    const path = `${layout.objects}/${name}`;
    freed += (await stampOf(path))?.bytes ?? 0;
    await rm(path, { force: true });
  }
  return freed;
}

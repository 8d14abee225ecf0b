import { copyFile, link, readdir, rename, rm, stat } from "node:fs/promises";
import type { Sha256Hex } from "@assay/core/units";
import { isSystemError, syncFile, syncFolder } from "../atomic-write.ts";
import type { FileDigest } from "../digest.ts";
import type { CheckpointLayout } from "../layout.ts";

/** Moves a complete, synced file of the store's `tmp/` to its place by content. One that is there already stays. */
export async function adoptObject(layout: CheckpointLayout, path: string, digest: FileDigest): Promise<void> {
  const object = layout.object(digest.sha256);
  if ((await sizeOf(object)) === digest.bytes) {
    await rm(path);
    return;
  }
  await rename(path, object);
  await syncFolder(layout.objects);
}

/** Gives an object another name. A hard link where the volume knows them, a copy elsewhere. */
export async function linkObject(layout: CheckpointLayout, sha256: Sha256Hex, target: string): Promise<void> {
  await linkOrCopy(layout.object(sha256), target);
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
    freed += (await sizeOf(path)) ?? 0;
    await rm(path, { force: true });
  }
  return freed;
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return null;
    throw error;
  }
}

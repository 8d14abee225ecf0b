import { randomUUID } from "node:crypto";
import { constants, copyFile, type FileHandle, link, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CheckpointError, type CheckpointErrorCode } from "./checkpoint-error.ts";

/** Marks a file that is not finished. Readers skip such names; whoever owns the folder removes them at start. */
const TEMPORARY_PREFIX = ".tmp-";

/**
 * Replaces a file so that readers see the old content or the new, also after a power cut: a temporary file in the same
 * folder, fsync, rename, fsync of the folder.
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = temporaryPath(path);
  try {
    await withFile(temporary, "wx", async (file) => {
      await file.writeFile(content);
      await file.sync();
    });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** {@link writeFileAtomic} of a value as indented JSON. */
export async function writeJsonAtomic(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

/**
 * Copies a file so that the copy appears whole. For bytes that another process may still write to: what is inspected
 * afterwards is ours alone.
 */
export async function copyFileAtomic(source: string, target: string): Promise<void> {
  const temporary = temporaryPath(target);
  try {
    await copyFile(source, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await syncFile(temporary);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(target));
}

/**
 * Writes a JSON file that must not exist yet, as durably as {@link writeJsonAtomic}.
 *
 * @returns false, and changes nothing, when the file exists.
 */
export async function createJson(path: string, value: unknown): Promise<boolean> {
  const temporary = temporaryPath(path);
  try {
    await writeJsonAtomic(temporary, value);
    await link(temporary, path);
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(dirname(path));
  return true;
}

/** A name in the same folder that no other call gets. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `${TEMPORARY_PREFIX}${basename(path)}-${randomUUID()}`);
}

/** Whether a file of this name is not finished, and nobody's. */
export function isTemporary(name: string): boolean {
  return name.startsWith(TEMPORARY_PREFIX);
}

/** Makes renames, links and removals in a folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  await withFile(folder, "r", (file) => file.sync());
}

/** Makes a file's bytes survive a power cut. */
export async function syncFile(path: string): Promise<void> {
  await withFile(path, "r", (file) => file.sync());
}

/** What reading JSON needs of a schema; zod's `safeParse` has this shape. */
export interface JsonSchema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: Error };
}

/**
 * Reads a file that we wrote ourselves.
 *
 * @returns null when there is no such file.
 * @throws CheckpointError with `code` when the content is not what the schema says.
 */
export async function readJson<T>(path: string, schema: JsonSchema<T>, code: CheckpointErrorCode): Promise<T | null> {
  const text = await readTextOrNull(path);
  if (text === null) return null;
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new CheckpointError(code, "A file of the checkpoint directory does not parse", {
    fields: { path },
    cause: parsed.error,
  });
}

/** Opens a file, hands it to `use`, and closes it however that ends. */
export async function withFile<T>(path: string, flags: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** Whether a caught value is a file-system error with one of these codes (`ENOENT`, …). */
export function isSystemError(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}

async function readTextOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return null;
    throw error;
  }
}

/** The value, or undefined (which no schema accepts) for text that is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

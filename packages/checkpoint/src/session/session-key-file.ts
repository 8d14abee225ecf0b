import { constants } from "node:fs";
import { open, rm } from "node:fs/promises";
import { sessionKeyText } from "@assay/core/messages/session-key";
import { z } from "zod";
import { writeJsonAtomic } from "../atomic-write.ts";

/** A model server's public key, on the volume that it may write to. */
const sessionKeyFile = z.strictObject({ schema: z.literal(1), public_key: sessionKeyText });
const MAX_BYTES = 1_024;

/** Replaces the key, atomically. @param publicKey URL-safe Base64. */
export async function writeSessionKey(path: string, publicKey: string): Promise<void> {
  await writeJsonAtomic(path, { schema: 1, public_key: publicKey });
}

/** Says that there is none. */
export async function removeSessionKey(path: string): Promise<void> {
  await rm(path, { force: true });
}

/**
 * The public key, URL-safe Base64; null when there is none, or something else in its place.
 *
 * Whoever writes it faces the internet, so the reader trusts nothing: no link, no pipe, nothing long. And nothing there
 * may stop the reader, whose work does not depend on it: what cannot be read is no key.
 */
export async function readSessionKey(path: string): Promise<string | null> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(noFile);
  if (file === null) return null;
  try {
    const status = await file.stat();
    return status.isFile() && status.size <= MAX_BYTES ? parsed(await file.readFile("utf8")) : null;
  } finally {
    await file.close();
  }
}

function noFile(error: unknown): null {
  if (error instanceof Error && "syscall" in error) return null;
  throw error;
}

function parsed(text: string): string | null {
  try {
    return sessionKeyFile.parse(JSON.parse(text)).public_key;
  } catch {
    return null;
  }
}

import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { RoundId } from "@assay/core/units";
import { isSystemError } from "./atomic-write.ts";

/** Rounds or versions that have a folder here, oldest first. Other names are passed over. */
export async function listNumbered(folder: string): Promise<readonly number[]> {
  const names = await namesIn(folder);
  return names
    .filter((name) => NUMBER_NAME.test(name))
    .map(Number)
    .sort((left, right) => left - right);
}

/** Removes the folder of every round older than `oldestKept`. @returns how many. */
export async function expireRounds(folder: string, oldestKept: RoundId): Promise<number> {
  const expired = (await listNumbered(folder)).filter((round) => round < oldestKept);
  for (const round of expired) await rm(join(folder, String(round)), { recursive: true, force: true });
  return expired.length;
}

/** Names in a folder in order; none when there is no such folder. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}

const NUMBER_NAME = /^(?:0|[1-9][0-9]{0,15})$/;

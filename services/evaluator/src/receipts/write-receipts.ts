import { mkdir, readdir, readFile, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isSystemError, writeFileAtomic } from "@assay/checkpoint/atomic-write";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import { namesIn } from "@assay/checkpoint/numbered-folders";
import { type CycleDigests, cycleDigestsText } from "@assay/core/cycle-digests/cycle-digests";
import { type Bundle, bundleText } from "@assay/core/receipts/bundle";
import { csvLine, RECEIPT_COLUMNS, receiptRows } from "@assay/core/receipts/receipt-rows";
import type { EpochMillis } from "@assay/core/units";

/** Writes a bundle whole, or leaves the one before. */
export async function writeBundle(layout: CheckpointLayout, bundle: Bundle): Promise<void> {
  await writeWhole(layout.receiptBundle(bundle.header.round.cycle), bundleText(bundle));
}

/** Whether a cycle's bundle lies where it is served from. */
export async function hasBundle(layout: CheckpointLayout, cycle: number): Promise<boolean> {
  return (await namesIn(dirname(layout.receiptBundle(cycle)))).includes("bundle.json");
}

/** Writes a cycle's digests beside its bundle, whole, or leaves those before. */
export async function writeDigests(layout: CheckpointLayout, digests: CycleDigests): Promise<void> {
  await writeWhole(layout.cycleDigests(digests.cycle), cycleDigestsText(digests));
}

/** A bundle that we wrote. */
export async function readBundle(layout: CheckpointLayout, cycle: number): Promise<Bundle> {
  return JSON.parse(await readFile(layout.receiptBundle(cycle), "utf8")) as Bundle;
}

/** Replaces the export of an hour, or the newest one, by the receipts of these bundles. */
export async function writeExport(path: string, bundles: readonly Bundle[]): Promise<void> {
  await writeWhole(path, [csvLine(RECEIPT_COLUMNS), ...bundles.map(receiptRows)].join(""));
}

/** Path of the export that holds what was closed at a time. */
export function exportOf(layout: CheckpointLayout, closedAt: EpochMillis): string {
  const [year = "", month = "", day = "", hour = ""] = new Date(closedAt).toISOString().split(/[-T:]/);
  return layout.hourlyExport([year, month, day, hour]);
}

/** Whether two times lie in one hour of UTC. */
export function isSameHour(one: EpochMillis, other: EpochMillis): boolean {
  return Math.floor(one / HOUR_MILLIS) === Math.floor(other / HOUR_MILLIS);
}

export const HOUR_MILLIS: number = 3_600_000;
export const DAY_MILLIS: number = 24 * HOUR_MILLIS;

/** Removes exports of hours before a time, and folders that are empty then. @returns how many files. */
export async function expireExports(layout: CheckpointLayout, oldest: EpochMillis): Promise<number> {
  let expired = 0;
  const files = await filesBelow(layout.exports);
  for (const file of files) {
    const match = /^(\d{4})\/(\d{2})\/(\d{2})\/(\d{2})\.csv$/.exec(file);
    if (match === null) continue;
    const [, year, month, day, hour] = match;
    if (Date.parse(`${year}-${month}-${day}T${hour}:00:00Z`) + HOUR_MILLIS > oldest) continue;
    await rm(join(layout.exports, file), { force: true });
    await removeEmpty(dirname(join(layout.exports, file)), layout.exports);
    expired += 1;
  }
  return expired;
}

/** Removes the folder of a cycle. */
export async function removeBundle(layout: CheckpointLayout, cycle: number): Promise<void> {
  await rm(dirname(layout.receiptBundle(cycle)), { recursive: true, force: true });
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder, { recursive: true })).sort();
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}

async function removeEmpty(folder: string, upTo: string): Promise<void> {
  if (folder === upTo) return;
  try {
    await rmdir(folder);
  } catch (error) {
    if (isSystemError(error, "ENOTEMPTY", "ENOENT")) return;
    throw error;
  }
  await removeEmpty(dirname(folder), upTo);
}

async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, text);
}

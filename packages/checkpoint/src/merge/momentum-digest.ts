import { createHash } from "node:crypto";
import type { ExpertGroup, ModelVersion, Sha256Hex } from "@assay/core/units";
import { isSystemError } from "../atomic-write.ts";
import { sha256File } from "../digest.ts";
import type { CheckpointLayout } from "../layout.ts";

/**
 * Names the momentum that belongs to a version: SHA-256 over one line `<group> <SHA-256 of its file>` for each group
 * that has momentum, in order. Groups that were never merged have none.
 */
export async function momentumDigest(
  layout: CheckpointLayout,
  version: ModelVersion,
  groups: Iterable<ExpertGroup>,
  signal?: AbortSignal,
): Promise<Sha256Hex> {
  const hash = createHash("sha256");
  for (const group of [...groups].sort((a, b) => a - b)) {
    const sha256 = await digestOrNull(layout.momentum(version, group), signal);
    if (sha256 !== null) hash.update(`${group} ${sha256}\n`);
  }
  return hash.digest("hex");
}

async function digestOrNull(path: string, signal: AbortSignal | undefined): Promise<Sha256Hex | null> {
  try {
    return (await sha256File(path, signal)).sha256;
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return null;
    throw error;
  }
}

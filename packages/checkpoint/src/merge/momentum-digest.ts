import { createHash } from "node:crypto";
import { decodeUtf8 } from "@assay/core/stranger-text";
import type { ExpertGroup, ModelVersion, Sha256Hex } from "@assay/core/units";
import { isSystemError } from "../atomic-write.ts";
import type { CheckpointLayout } from "../layout.ts";
import type { GroupLayout } from "../model/model-source.ts";
import { tensorBytes } from "../safetensors/dtype.ts";
import { encodeHeader } from "../safetensors/write.ts";
import { canonicalTensors } from "./group-blocks.ts";
import { knownSha256 } from "./known-digests.ts";

/** Names the momentum that belongs to a version: SHA-256 of its {@link momentumList}. */
export async function momentumDigest(
  layout: CheckpointLayout,
  version: ModelVersion,
  groups: Iterable<ExpertGroup>,
  signal?: AbortSignal,
): Promise<Sha256Hex> {
  const list = await momentumList((group) => layout.momentum(version, group), groups, signal);
  return createHash("sha256").update(list).digest("hex");
}

/**
 * A version's momentum as text: one line `<group> <SHA-256 of its file>` for each group that has momentum, in order.
 * Groups that were never merged have none.
 */
export async function momentumList(
  pathOf: (group: ExpertGroup) => string,
  groups: Iterable<ExpertGroup>,
  signal?: AbortSignal,
): Promise<string> {
  let list = "";
  for (const group of [...groups].sort((a, b) => a - b)) {
    const sha256 = await digestOrNull(pathOf(group), signal);
    if (sha256 !== null) list += `${group} ${sha256}\n`;
  }
  return list;
}

/** Reads a {@link momentumList} from a stranger; null unless it is one, or when it names a group that is not of these. */
export function parseMomentumList(
  bytes: Uint8Array,
  groups: ReadonlySet<ExpertGroup>,
): ReadonlyMap<ExpertGroup, Sha256Hex> | null {
  const lines = decodeUtf8(bytes)?.split("\n");
  if (lines?.pop() !== "") return null;
  const files = new Map<ExpertGroup, Sha256Hex>();
  for (const line of lines) {
    const [, group, sha256] = /^(\d{1,5}) ([0-9a-f]{64})$/.exec(line) ?? [];
    if (sha256 === undefined || !groups.has(Number(group)) || files.has(Number(group))) return null;
    files.set(Number(group), sha256);
  }
  return files;
}

/** Bytes of a group's momentum file: all of its tensors as float32. */
export function momentumBytes(layout: GroupLayout): number {
  const tensors = canonicalTensors(layout).map(({ name, shape }) => ({ name, shape, dtype: "F32" as const }));
  return encodeHeader(tensors).length + tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
}

async function digestOrNull(path: string, signal: AbortSignal | undefined): Promise<Sha256Hex | null> {
  try {
    return await knownSha256(path, signal);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return null;
    throw error;
  }
}

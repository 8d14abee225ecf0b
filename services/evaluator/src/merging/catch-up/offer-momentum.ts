import { createHash } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError, writeFileAtomic } from "@assay/checkpoint/atomic-write";
import { momentumList, parseMomentumList } from "@assay/checkpoint/merge/momentum-digest";
import type { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";
import { linkOrCopy } from "@assay/checkpoint/store/objects";
import type { MergeTransport, OfferedChunk } from "@assay/core/merging/exchange/merge-transport";
import type { ModelVersion, Sha256Hex } from "@assay/core/units";

/**
 * Lets validators that missed a cycle's merge fetch the momentum of its version: the list of its files by the digest
 * that everybody signed, and each file whole by its own. They lie in the cycle's exchange as second names, so they stay
 * as long as it does, whatever takes the version's place.
 *
 * @returns the digest of the list.
 */
export async function offerMomentum(
  cycle: number,
  version: ModelVersion,
  { reader, transport }: { readonly reader: CheckpointReader; readonly transport: MergeTransport },
  signal: AbortSignal,
): Promise<Sha256Hex> {
  const { layout } = reader;
  const groups = (await reader.manifest(version)).groups.map(({ group }) => group);
  const folder = join(layout.exchangeFolder(cycle), "momentum");
  await mkdir(folder, { recursive: true });
  const bytes = Buffer.from(await momentumList((group) => layout.momentum(version, group), groups, signal));
  const digest = createHash("sha256").update(bytes).digest("hex");
  const offered: OfferedChunk[] = [];
  for (const [group, sha256] of parseMomentumList(bytes, new Set(groups)) ?? []) {
    const path = join(folder, sha256);
    await linkOrCopy(layout.momentum(version, group), path).catch(unlessThere);
    offered.push({ sha256, path, offset: 0, bytes: (await stat(path)).size });
  }
  const list = join(folder, digest);
  await writeFileAtomic(list, bytes);
  if (bytes.length > 0) offered.push({ sha256: digest, path: list, offset: 0, bytes: bytes.length });
  await transport.offer(cycle, offered);
  return digest;
}

function unlessThere(error: unknown): void {
  if (!isSystemError(error, "EEXIST")) throw error;
}

import { createHash } from "node:crypto";
import { writeFileAtomic } from "@assay/checkpoint/atomic-write";
import { canonicalJson } from "@assay/core/hash/canonical-json";
import type { OfferedChunk } from "@assay/core/merging/exchange/merge-transport";
import type { ChunkTable } from "@assay/core/merging/exchange/statement";

/** Writes a chunk table as a file that peers may fetch by its digest. */
export async function writeChunkTable(path: string, { chunks }: ChunkTable): Promise<OfferedChunk> {
  const bytes = new TextEncoder().encode(canonicalJson({ chunks: chunks.map((chunk) => ({ ...chunk })) }));
  await writeFileAtomic(path, bytes);
  return { sha256: createHash("sha256").update(bytes).digest("hex"), path, offset: 0, bytes: bytes.length };
}

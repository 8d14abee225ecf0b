import { createHash } from "node:crypto";
import { writeFileAtomic } from "@assay/checkpoint/atomic-write";
import { canonicalJson } from "@assay/core/hash/canonical-json";
import type { OfferedChunk } from "@assay/core/merging/exchange/merge-transport";
import type { ChunkTable } from "@assay/core/merging/exchange/statement";
import type { Sha256Hex } from "@assay/core/units";

/** The one form of a chunk table that is exchanged, and its digest. */
export function encodeChunkTable({ chunks }: ChunkTable): { readonly bytes: Uint8Array; readonly sha256: Sha256Hex } {
  const bytes = new TextEncoder().encode(canonicalJson({ chunks: chunks.map((chunk) => ({ ...chunk })) }));
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** Writes a chunk table as a file that peers may fetch by its digest. */
export async function writeChunkTable(path: string, table: ChunkTable): Promise<OfferedChunk> {
  const { bytes, sha256 } = encodeChunkTable(table);
  await writeFileAtomic(path, bytes);
  return { sha256, path, offset: 0, bytes: bytes.length };
}

/** Writes several one after the other into one file. */
export async function writeChunkTables(path: string, tables: readonly ChunkTable[]): Promise<readonly OfferedChunk[]> {
  const encoded = tables.map(encodeChunkTable);
  await writeFileAtomic(path, Buffer.concat(encoded.map(({ bytes }) => bytes)));
  let end = 0;
  return encoded.map(({ bytes, sha256 }) => {
    end += bytes.length;
    return { sha256, path, offset: end - bytes.length, bytes: bytes.length };
  });
}

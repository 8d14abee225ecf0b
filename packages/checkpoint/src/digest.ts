import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { Sha256Hex } from "@assay/core/units";
import { withFile } from "./atomic-write.ts";

/** What names a file's content. */
export interface FileDigest {
  readonly sha256: Sha256Hex;
  readonly bytes: number;
}

/** SHA-256 and size of a file, read in pieces. */
export async function sha256File(path: string, signal?: AbortSignal): Promise<FileDigest> {
  return await withFile(path, "r", (file) => sha256Handle(file, signal));
}

/** {@link sha256File} of an open file, from its beginning; the file's position does not move. */
export async function sha256Handle(file: FileHandle, signal?: AbortSignal): Promise<FileDigest> {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK_BYTES);
  let bytes = 0;
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(chunk, 0, chunk.length, bytes);
    if (bytesRead === 0) return { sha256: hash.digest("hex"), bytes };
    hash.update(chunk.subarray(0, bytesRead));
    bytes += bytesRead;
  }
}

const CHUNK_BYTES = 1 << 20;

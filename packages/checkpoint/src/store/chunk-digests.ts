import { subtle } from "node:crypto";
import type { Sha256Hex } from "@assay/core/units";
import type { ComposedFile } from "./composed-file.ts";

/**
 * SHA-256 of each chunk of a file, in order. Reads everything and holds one chunk; hashing happens in another thread,
 * so that a server goes on serving.
 *
 * @throws CheckpointError `CHECKPOINT_MODEL_CHANGED` when a file below changed or is gone.
 */
export async function chunkDigests(
  file: ComposedFile,
  chunkBytes: number,
  signal?: AbortSignal,
): Promise<readonly Sha256Hex[]> {
  const digests: Sha256Hex[] = [];
  const memory = Buffer.allocUnsafeSlow(Math.min(chunkBytes, file.bytes));
  const open = file.open();
  try {
    for (let position = 0; position < file.bytes; position += chunkBytes) {
      signal?.throwIfAborted();
      const chunk = memory.subarray(0, file.bytes - position);
      await open.fill(chunk, position);
      digests.push(Buffer.from(await subtle.digest("SHA-256", chunk)).toString("hex"));
    }
    return digests;
  } finally {
    await open.close();
  }
}

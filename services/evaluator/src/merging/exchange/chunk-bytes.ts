import { createHash } from "node:crypto";
import type { Sha256Hex } from "@assay/core/units";

/** Little-endian float32 values, in memory that is aligned for them. */
export function float32Of(bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  const values = aligned.byteLength / Float32Array.BYTES_PER_ELEMENT;
  return new Float32Array(aligned.buffer, aligned.byteOffset, values);
}

/** The same memory. */
export function bytesOf<Buffer extends ArrayBufferLike>(values: Float32Array<Buffer>): Uint8Array<Buffer> {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** By which a chunk of these values is known. */
export function digestOf(values: Float32Array): Sha256Hex {
  return createHash("sha256").update(bytesOf(values)).digest("hex");
}

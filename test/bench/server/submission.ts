import { createHash } from "node:crypto";
import { encodeHeader, type NamedTensor } from "@assay/checkpoint/safetensors/write";

const PIECE_BYTES = 1 << 20;

/** The one tensor that the bench's group consists of. */
export function groupTensor(bytes: number): NamedTensor {
  return { name: "model.layers.0.mlp.experts.0.up_proj.weight", dtype: "U8", shape: [bytes] };
}

/** The tensor's bytes: the same megabyte again and again, so that nobody has to read a file for them. */
export function* groupPieces(bytes: number): Generator<Uint8Array> {
  const piece = createHash("shake256", { outputLength: PIECE_BYTES }).update("bench").digest();
  for (let left = bytes; left > 0; left -= piece.length) yield piece.subarray(0, left);
}

/** A valid submission of the group, piece by piece. */
export function* submissionPieces(bytes: number): Generator<Uint8Array> {
  yield encodeHeader([groupTensor(bytes)]);
  yield* groupPieces(bytes);
}

/** Of the submission as a file. */
export function submissionDigest(bytes: number): { readonly sha256: string; readonly bytes: number } {
  const hash = createHash("sha256");
  let length = 0;
  for (const piece of submissionPieces(bytes)) {
    hash.update(piece);
    length += piece.length;
  }
  return { sha256: hash.digest("hex"), bytes: length };
}

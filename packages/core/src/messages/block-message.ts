import { concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import type { BlockNumber } from "../units.ts";

const PUBLIC_KEY_BYTES = 32;
const BLOCK_BYTES = 8;
/** The tensors' hash of the older miners, and SHA-256 of the file. */
const MODEL_HASH_BYTES: readonly number[] = [24, 32];

/**
 * The reference's block message: 32 bytes of public key, then the block as big-endian u64; 40 bytes.
 *
 * @throws RangeError if the key has another length (a caller's bug).
 * @see packages/docs/protocol.md §4.5
 */
export function blockMessage(publicKey: Uint8Array, block: BlockNumber): Uint8Array {
  requireLength(publicKey, PUBLIC_KEY_BYTES, "public key");
  const number = new Uint8Array(BLOCK_BYTES);
  new DataView(number.buffer).setBigUint64(0, BigInt(block));
  return concatBytes(publicKey, number);
}

/**
 * What the reference's miners sign on upload: the model hash, then the block message of the target.
 *
 * @param modelHash 24 bytes over tensors as in the reference, or the 32 of the file's SHA-256.
 * @throws RangeError if the hash has another length (a caller's bug).
 */
export function uploadMessage(modelHash: Uint8Array, targetKey: Uint8Array, block: BlockNumber): Uint8Array {
  if (!MODEL_HASH_BYTES.includes(modelHash.length)) {
    throw new RangeError(`The model hash has ${modelHash.length} bytes instead of ${MODEL_HASH_BYTES.join(" or ")}`);
  }
  return concatBytes(modelHash, blockMessage(targetKey, block));
}

/**
 * What the signature of a phase-1 commitment covers: the lower-case hexadecimal text of the hash, as ASCII.
 *
 * Not the hash's bytes. 64 characters for SHA-256 of a file, 48 for the tensors' hash.
 */
export function committedHashMessage(hashHex: string): Uint8Array {
  return utf8ToBytes(hashHex.toLowerCase());
}

function requireLength(bytes: Uint8Array, length: number, what: string): void {
  if (bytes.length !== length) throw new RangeError(`The ${what} has ${bytes.length} bytes instead of ${length}`);
}

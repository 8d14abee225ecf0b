import { blake2b } from "@noble/hashes/blake2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { compareCodePoints } from "./code-point-order.ts";

const MODEL_HASH_BYTES = 24;

/**
 * The reference's hash over decoded tensors, fed piece by piece: BLAKE2b of 24 bytes over each tensor's name and raw
 * little-endian elements, tensors in code-point order of their names.
 *
 * Dtype, shape and boundaries are not hashed: two sets of tensors that differ only there hash alike. Commitments of
 * ours therefore name the file's SHA-256 instead.
 *
 * @see packages/docs/protocol.md §4.7
 */
export class ModelHash {
  readonly #hash = blake2b.create({ dkLen: MODEL_HASH_BYTES });
  #lastName: string | null = null;

  /** Begins the next tensor. @throws RangeError if its name does not come after the one before (a caller's bug). */
  beginTensor(name: string): void {
    if (this.#lastName !== null && compareCodePoints(this.#lastName, name) >= 0) {
      throw new RangeError(`Tensor ${name} does not come after ${this.#lastName}`);
    }
    this.#lastName = name;
    this.#hash.update(utf8ToBytes(name));
  }

  /** Adds elements of the tensor begun last; in as many pieces as is convenient. */
  update(littleEndianElements: Uint8Array): void {
    if (this.#lastName === null) throw new RangeError("No tensor was begun");
    this.#hash.update(littleEndianElements);
  }

  /** Ends the hash: 48 lower-case hexadecimal digits. */
  digestHex(): string {
    return bytesToHex(this.#hash.digest());
  }
}

/** {@link ModelHash} of tensors that are all in memory, in any order. */
export function modelHash(tensors: ReadonlyMap<string, Uint8Array>): string {
  const hash = new ModelHash();
  for (const [name, bytes] of [...tensors].sort(([a], [b]) => compareCodePoints(a, b))) {
    hash.beginTensor(name);
    hash.update(bytes);
  }
  return hash.digestHex();
}

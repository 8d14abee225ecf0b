import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { type Beacon, roundIdentity } from "./beacon.ts";

/**
 * Encryption to a round of a beacon: whoever has the round's signature can open it, and before that nobody.
 *
 * Identity-based encryption of Boneh and Franklin (FullIdent) with the round as the identity carries the key of an
 * AES-256-GCM. The bytes are those that subtensor's Rust code reads: arkworks' compressed points, and vectors with
 * their length in eight bytes, least significant first. U (96) ‖ V ‖ W ‖ [ciphertext and tag ‖ nonce] ‖ suite.
 */
const SUITE = "AES_GCM_";
const POINT_BYTES = 96;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const FIELD_BYTES = 48;

const { G1, G2, fields } = bls12_381;
type PairingResult = ReturnType<typeof bls12_381.pairing>;

/** Encrypts for whoever will have the signature of the round. */
export function timelock(plaintext: Uint8Array, round: number, { publicKey }: Pick<Beacon, "publicKey">): Uint8Array {
  const key = randomBytes(KEY_BYTES);
  const sigma = sha256(randomBytes(KEY_BYTES));
  const exponent = exponentOf(sigma, key);
  const shared = fields.Fp12.pow(bls12_381.pairing(roundIdentity(round), G2.Point.fromHex(publicKey)), exponent);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return Buffer.concat([
    G2.Point.BASE.multiply(exponent).toBytes(true),
    vector(xor(sigma, digestOf(shared))),
    vector(xor(key, sha256(sigma))),
    vector(Buffer.concat([vector(sealed), vector(nonce)])),
    vector(Buffer.from(SUITE)),
  ]);
}

/**
 * Opens what {@link timelock} made.
 *
 * @param signature The round's signature: compressed point of G1, 48 bytes in hexadecimal digits.
 * @throws Error when the bytes are not such a ciphertext, or were made for another round.
 */
export function openTimelock(bytes: Uint8Array, signature: string): Uint8Array {
  const { point, masked, maskedKey, sealed, nonce } = readParts(bytes);
  const shared = bls12_381.pairing(G1.Point.fromHex(signature), point);
  const sigma = xor(masked, digestOf(shared));
  const key = xor(maskedKey, sha256(sigma));
  if (!G2.Point.BASE.multiply(exponentOf(sigma, key)).equals(point)) {
    throw new Error("This signature does not open the ciphertext");
  }
  const decipher = createDecipheriv("aes-256-gcm", key, nonce);
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
}

function readParts(bytes: Uint8Array) {
  const whole = new VectorReader(Buffer.from(bytes).subarray(POINT_BYTES));
  const masked = whole.next();
  const maskedKey = whole.next();
  const body = new VectorReader(whole.next());
  const suite = whole.next().toString();
  const sealed = body.next();
  const nonce = body.next();
  const fits = masked.length === KEY_BYTES && maskedKey.length === KEY_BYTES && nonce.length === NONCE_BYTES;
  if (!fits || sealed.length < TAG_BYTES || suite !== SUITE || !whole.isEmpty || !body.isEmpty) {
    throw new Error("Not a time-locked ciphertext");
  }
  return { point: G2.Point.fromHex(hexOf(bytes.subarray(0, POINT_BYTES))), masked, maskedKey, sealed, nonce };
}

/** Vectors one after another, each behind its length. */
class VectorReader {
  #rest: Buffer;

  constructor(bytes: Buffer) {
    this.#rest = bytes;
  }

  get isEmpty(): boolean {
    return this.#rest.length === 0;
  }

  next(): Buffer {
    if (this.#rest.length < 8) throw new Error("Not a time-locked ciphertext");
    const end = 8 + Number(this.#rest.readBigUInt64LE(0));
    if (end > this.#rest.length) throw new Error("Not a time-locked ciphertext");
    const vector = this.#rest.subarray(8, end);
    this.#rest = this.#rest.subarray(end);
    return vector;
  }
}

function vector(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
}

function exponentOf(sigma: Uint8Array, key: Uint8Array): bigint {
  return fields.Fr.create(BigInt(`0x${hexOf(sha256(Buffer.concat([sigma, key])))}`));
}

/** Hash of a pairing's result as arkworks writes it: c0 before c1 at every level, each coefficient least byte first. */
function digestOf(result: PairingResult): Buffer {
  const coefficients = [result.c0, result.c1]
    .flatMap((six) => [six.c0, six.c1, six.c2])
    .flatMap((two) => [two.c0, two.c1]);
  return sha256(Buffer.concat(coefficients.map(fieldBytes)));
}

function fieldBytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * FIELD_BYTES, "0"), "hex").reverse();
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ (b[index] ?? 0)));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

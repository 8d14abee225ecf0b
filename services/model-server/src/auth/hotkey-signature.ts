import { createPublicKey, verify as verifyNatively } from "node:crypto";
import { decodeBase64Url } from "@assay/core/messages/base64url";
import type { Hotkey } from "@assay/core/units";
import { decodeAddress, sr25519Verify } from "@polkadot/util-crypto";

const SS58_PREFIX = 42;
const SIGNATURE_BYTES = 64;

/**
 * Whether a hotkey signed exactly these bytes: sr25519, or ed25519 for a key of that type.
 *
 * @param signature URL-safe Base64, with or without padding.
 */
export function isSignedBy(hotkey: Hotkey, signature: string, message: Uint8Array): boolean {
  const publicKey = publicKeyOf(hotkey);
  const bytes = decodeBase64Url(signature);
  if (publicKey === null || bytes === null || bytes.length !== SIGNATURE_BYTES) {
    return false;
  }
  return verifies(sr25519Verify, message, bytes, publicKey) || verifies(ed25519Verify, message, bytes, publicKey);
}

/** The 32 bytes of this validator's own key, which the view of the chain names. */
export function validatorKey(hotkey: Hotkey): Uint8Array {
  const key = publicKeyOf(hotkey);
  if (key === null) {
    throw new Error(`The view of the chain names ${hotkey} as this validator's hotkey`);
  }
  return key;
}

/** The key's 32 bytes; null when the address's checksum or prefix is wrong. */
function publicKeyOf(hotkey: Hotkey): Uint8Array | null {
  try {
    return decodeAddress(hotkey, false, SS58_PREFIX);
  } catch {
    return null;
  }
}

/** OpenSSL's: a wrong signature costs it 0.1 ms, and the library in JavaScript 3 ms, which strangers would make us pay. */
function ed25519Verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  const x = Buffer.from(publicKey).toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  return verifyNatively(null, message, key, signature);
}

type Verify = (message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array) => boolean;

/** Bytes that are no signature of a scheme at all make its verifier throw; that is a no. */
function verifies(verify: Verify, message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  try {
    return verify(message, signature, publicKey);
  } catch {
    return false;
  }
}

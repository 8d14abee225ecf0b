import type { Hotkey } from "@assay/core/units";
import { SS58_PREFIX } from "./keys/key-pair.ts";
import { decodeAddress, ed25519Verify, sr25519Verify } from "./polkadot/library.ts";

const SIGNATURE_BYTES = 64;

/**
 * Whether the signature over exactly these bytes is the hotkey's.
 *
 * Hotkeys are sr25519; ed25519 is accepted for keys of that type. Bytes that are no signature, and text that is no
 * address of prefix 42, are a stranger's fault and give false.
 */
export function verifySignature(bytes: Uint8Array, signature: Uint8Array, hotkey: Hotkey): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const publicKey = publicKeyOf(hotkey);
  if (publicKey === null) return false;
  return [sr25519Verify, ed25519Verify].some((verify) => isValid(() => verify(bytes, signature, publicKey)));
}

/** The key's 32 bytes; null for text that is no address of prefix 42. */
export function publicKeyOf(hotkey: Hotkey): Uint8Array | null {
  try {
    return decodeAddress(hotkey, false, SS58_PREFIX);
  } catch {
    return null;
  }
}

function isValid(verify: () => boolean): boolean {
  try {
    return verify();
  } catch {
    return false;
  }
}

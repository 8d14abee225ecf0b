import type { Hotkey } from "../../units.ts";

/** How a member signs, and how it checks what others signed. */
export interface Voice {
  readonly hotkey: Hotkey;
  /** Signature of our hotkey over exactly these bytes, as URL-safe Base64. */
  sign(bytes: Uint8Array): string;
  /** Whether the signature over exactly these bytes is the hotkey's. Never throws. */
  isSignedBy(hotkey: Hotkey, signature: string, bytes: Uint8Array): boolean;
}

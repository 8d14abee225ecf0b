import { utf8ToBytes } from "@noble/hashes/utils.js";
import { z } from "zod";
import type { BlockNumber, Hotkey } from "../units.ts";
import { blockNumberValue, hasControlCharacter, hotkeyText, signatureText } from "./fields.ts";

/** The key that a validator's model server has for encrypted sessions, as its hotkey vouches for it. */
export interface SessionKey {
  /** X25519, 32 bytes in URL-safe Base64 without padding. */
  readonly public_key: string;
  readonly hotkey: Hotkey;
  readonly signed_block: BlockNumber;
  /** The last block at which a session may begin under this signature. */
  readonly valid_until_block: BlockNumber;
  /** URL-safe Base64 over {@link sessionKeyBytes}. */
  readonly signature: string;
}

/** An X25519 key of 32 bytes as text. */
export const sessionKeyText: z.ZodString = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "not a key of 32 bytes");

/** Reads {@link SessionKey}; whether the signature holds is the verifier's. */
export const sessionKeySchema: z.ZodType<SessionKey> = z.strictObject({
  public_key: sessionKeyText,
  hotkey: hotkeyText,
  signed_block: blockNumberValue,
  valid_until_block: blockNumberValue,
  signature: signatureText,
});

/**
 * The bytes that the hotkey signs: five lines of UTF-8, the first naming the format, so that they are no other message.
 *
 * @throws RangeError if a text holds a control character (a caller's bug: the schema lets none through).
 */
export function sessionKeyBytes(key: Omit<SessionKey, "signature">): Uint8Array {
  const { public_key, hotkey, signed_block, valid_until_block } = key;
  if ([public_key, hotkey].some(hasControlCharacter)) {
    throw new RangeError("A session key's message holds a control character");
  }
  return utf8ToBytes(["bz-session-key-v1", public_key, hotkey, signed_block, valid_until_block].join("\n"));
}

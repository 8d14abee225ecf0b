import { utf8ToBytes } from "@noble/hashes/utils.js";
import type { BlockNumber, Hotkey, Sha256Hex } from "../units.ts";
import { hasControlCharacter } from "./fields.ts";

/** What a caller signs to prove that one HTTP request is its own. */
export interface RequestMessage {
  /** Upper case. */
  readonly method: string;
  /** Path with query, as sent. */
  readonly path: string;
  /** SHA-256 of the body's bytes; of no bytes for a request without body. */
  readonly bodySha256: Sha256Hex;
  readonly hotkey: Hotkey;
  readonly blockNumber: BlockNumber;
  readonly nonce: string;
  /** The validator that the request is for; without it any validator can repeat the request to another. */
  readonly target?: Hotkey | undefined;
}

/** The fields of a signed request that do not follow from the request itself. */
export interface RequestSignature {
  readonly hotkey: Hotkey;
  readonly blockNumber: BlockNumber;
  readonly nonce: string;
  readonly target?: Hotkey | undefined;
  /** URL-safe Base64 over {@link requestMessageBytes}. */
  readonly signature: string;
}

/**
 * The bytes a signed request's signature covers: seven lines of UTF-8, the first naming the format; eight of version 2
 * when it names its target.
 *
 * @throws RangeError if a text holds a control character (a caller's bug: HTTP lets none through).
 */
export function requestMessageBytes(message: RequestMessage): Uint8Array {
  const { method, path, bodySha256, hotkey, blockNumber, nonce, target } = message;
  if ([method, path, bodySha256, hotkey, nonce, target ?? ""].some(hasControlCharacter)) {
    throw new RangeError("A request message holds a control character");
  }
  const format = target === undefined ? "bz-request-v1" : "bz-request-v2";
  const lines = [format, method, path, bodySha256, hotkey, blockNumber, nonce];
  return utf8ToBytes((target === undefined ? lines : [...lines, target]).join("\n"));
}

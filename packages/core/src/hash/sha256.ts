import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Sha256Hex } from "../units.ts";

/** A part of a {@link h256} key. Numbers are written in decimal; pass integers only. */
export type HashPart = string | number | bigint;

/** SHA-256 of bytes that are already in memory. Files are streamed by the checkpoint package. */
export function sha256Hex(bytes: Uint8Array): Sha256Hex {
  return bytesToHex(sha256(bytes));
}

/** SHA-256 of a text's UTF-8 bytes. */
export function sha256HexOfText(text: string): Sha256Hex {
  return sha256Hex(utf8ToBytes(text));
}

/**
 * The subnet's keyed draw: a 256-bit number that every validator computes alike.
 *
 * SHA-256 over each part as UTF-8 text followed by one zero byte, read big-endian.
 *
 * @see packages/docs/protocol.md §4.8
 */
export function h256(...parts: readonly HashPart[]): bigint {
  return BigInt(`0x${h256Hex(...parts)}`);
}

/** {@link h256} as 64 lower-case hexadecimal digits; orders like the number. */
export function h256Hex(...parts: readonly HashPart[]): string {
  const hash = sha256.create();
  for (const part of parts) hash.update(utf8ToBytes(`${part}\0`));
  return bytesToHex(hash.digest());
}

import { z } from "zod";

/** Text that looks like an ss58 address of a 32-byte key with prefix 42. Whether the checksum holds is the verifier's. */
export const hotkeyText: z.ZodString = z.string().regex(/^5[1-9A-HJ-NP-Za-km-z]{46,47}$/, "not an ss58 address");

/** A 64-byte signature in URL-safe Base64, with or without padding. */
export const signatureText: z.ZodString = z.string().regex(/^[A-Za-z0-9_-]{86}(==)?$/, "not a 64-byte signature");

/** A text that makes a signed request like no other of its hotkey. */
export const nonceText: z.ZodString = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/, "not 8 to 64 URL-safe characters");

/** A block number as JSON carries it. */
export const blockNumberValue: z.ZodNumber = z.int().nonnegative();

/** An expert group's number as JSON carries it. */
export const expertGroupValue: z.ZodNumber = z.int().nonnegative().max(65_535);

/** Whether a text holds a character that could end a line or hide in a log (C0, DEL, C1, line separators). */
export function hasControlCharacter(text: string): boolean {
  return /[\p{Cc}\u2028\u2029]/u.test(text);
}

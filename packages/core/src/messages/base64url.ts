/** URL-safe Base64 without padding, as signatures are written on chain and in messages. */
export function encodeBase64Url(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * Bytes of a URL-safe Base64 text with or without padding; null when it is not one.
 *
 * Only the canonical spelling is taken: two texts never decode to the same bytes (but for the padding).
 */
export function decodeBase64Url(text: string): Uint8Array | null {
  const match = /^([A-Za-z0-9_-]*)(={0,2})$/.exec(text);
  const digits = match?.[1];
  if (digits === undefined || digits.length % 4 === 1) return null;
  if (match?.[2] !== "" && text.length % 4 !== 0) return null;
  const binary = atob(digits.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return encodeBase64Url(bytes) === digits ? bytes : null;
}

/** The text in a stranger's bytes, a byte order mark kept; null unless they are UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** The value, or undefined (which JSON has not) for text that is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A stranger's text as one line for people: what could end or hide in a line is `?`, what is too long is cut. */
export function oneLine(text: string, most: number): string {
  const line = text.replace(/[\p{Cc}\u2028\u2029]/gu, "?");
  return line.length <= most ? line : `${line.slice(0, most)}… (${line.length} characters)`;
}

import type { ByteRange } from "@assay/checkpoint/store/composed-file";

/**
 * The one range that a `Range` header asks for, cut at the file's end.
 *
 * By RFC 9110 §14: another unit, malformed text, and (which it allows) several ranges mean the whole file; more last
 * bytes than there are mean all of them. Express's own parser calls the latter unsatisfiable.
 *
 * @returns null for the whole file.
 */
export function singleRange(header: string, bytes: number): ByteRange | "unsatisfiable" | null {
  const [, first, last] = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header) ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) {
    return null;
  }
  if (first === "") {
    const length = Math.min(Number(last), bytes);
    return length === 0 ? "unsatisfiable" : { start: bytes - length, end: bytes };
  }
  const start = Number(first);
  const end = last === "" ? bytes : Math.min(Number(last) + 1, bytes);
  if (last !== "" && Number(last) < start) {
    return null;
  }
  return start >= bytes ? "unsatisfiable" : { start, end };
}

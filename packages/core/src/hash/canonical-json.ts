import { utf8ToBytes } from "@noble/hashes/utils.js";
import type { Sha256Hex } from "../units.ts";
import { compareCodePoints } from "./code-point-order.ts";
import { sha256Hex } from "./sha256.ts";

/** What canonical JSON can carry. Numbers must be finite; -0 is written as 0. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * The one spelling of a value as JSON: keys in code-point order, no spaces, numbers as ECMAScript writes them.
 *
 * So two parties that hold equal values hold equal bytes, and a number survives a round trip to the last bit.
 *
 * @throws RangeError for a number that is not finite (a caller's bug: JSON has none).
 */
export function canonicalJson(value: Json): string {
  if (typeof value === "number" && !Number.isFinite(value))
    throw new RangeError("Canonical JSON has finite numbers only");
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const entries = Object.entries(value).sort(([a], [b]) => compareCodePoints(a, b));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonicalJson(each)}`).join(",")}}`;
}

/** SHA-256 over a value's {@link canonicalJson} as UTF-8. */
export function canonicalDigest(value: Json): Sha256Hex {
  return sha256Hex(utf8ToBytes(canonicalJson(value)));
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}

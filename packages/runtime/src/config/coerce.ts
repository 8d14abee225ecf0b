import convict from "convict";
import type { ConfigLeaf } from "./schema.ts";

/** A value that fits its leaf, or why none could be made of what was given. */
export type Coerced = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string };

/**
 * Makes a leaf's value of what a file, a variable or an argument gave.
 *
 * Stricter than convict, which reads `80abc` as 80 and `no` as true. The format itself is convict's.
 */
export function coerce(given: unknown, leaf: ConfigLeaf): Coerced {
  const converted = typeof given === "string" ? fromText(given, leaf) : accept(given);
  if (!converted.ok) return converted;
  if (typeof converted.value === "number" && !Number.isFinite(converted.value))
    return refuse("must be a finite number");
  return check(converted.value, leaf);
}

function fromText(text: string, leaf: ConfigLeaf): Coerced {
  switch (kindOf(leaf)) {
    case "integer":
      return /^[+-]?\d+$/.test(text.trim()) ? accept(Number(text)) : refuse("must be a whole number");
    case "number":
      return text.trim() !== "" && !Number.isNaN(Number(text)) ? accept(Number(text)) : refuse("must be a number");
    case "boolean":
      return fromBooleanText(text.trim().toLowerCase());
    case "array":
      return accept(text.trim() === "" ? [] : text.split(",").map((item) => item.trim()));
    case "object":
      return fromJson(text);
    default:
      return accept(choiceOf(text, leaf));
  }
}

type Kind = "integer" | "number" | "boolean" | "array" | "object" | "text";

const KINDS = new Map<unknown, Kind>([
  ["port", "integer"],
  ["nat", "integer"],
  ["int", "integer"],
  ["integer", "integer"],
  ["number", "number"],
  [Number, "number"],
  ["boolean", "boolean"],
  [Boolean, "boolean"],
  ["array", "array"],
  [Array, "array"],
  ["object", "object"],
  [Object, "object"],
  [String, "text"],
]);

/** By the format; where that says nothing of the type (a function, none), by the default. */
function kindOf({ format, default: fallback }: ConfigLeaf): Kind {
  const known = KINDS.get(format);
  if (known !== undefined) return known;
  if (format !== undefined && typeof format !== "function") return "text";
  return Array.isArray(fallback) ? "array" : (KINDS.get(typeof fallback) ?? "text");
}

function fromBooleanText(text: string): Coerced {
  if (["true", "1", "yes", "on"].includes(text)) return accept(true);
  if (["false", "0", "no", "off"].includes(text)) return accept(false);
  return refuse("must be true or false");
}

function fromJson(text: string): Coerced {
  try {
    return accept(JSON.parse(text));
  } catch {
    return refuse("must be JSON");
  }
}

/** An enumerated format may hold numbers, which a variable can only spell. */
function choiceOf(text: string, { format }: ConfigLeaf): unknown {
  return Array.isArray(format) ? (format.find((choice) => String(choice) === text) ?? text) : text;
}

function check(value: unknown, { format, nullable, sensitive, default: fallback }: ConfigLeaf): Coerced {
  if (value === null) return nullable === true ? accept(null) : refuse("must not be empty");
  const leaf = { value: { default: fallback, nullable, sensitive, ...(format !== undefined && { format }) } };
  const single = convict<{ value: unknown }>(leaf, { env: {}, args: [] });
  try {
    single.set("value", value).validate({ allowed: "strict" });
    return accept(single.get("value"));
  } catch (error) {
    return refuse(String(error instanceof Error ? error.message : error).replace(/^value: /, ""));
  }
}

function accept(value: unknown): Coerced {
  return { ok: true, value };
}

function refuse(message: string): Coerced {
  return { ok: false, message };
}

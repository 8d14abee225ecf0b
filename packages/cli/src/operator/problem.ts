import { isAppError } from "@assay/core/app-error";

/** Something that stands in the way, with a stable code: part of an answer, and not the end of it. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** An error with a code as a part of the answer; anything else is a bug and thrown on. */
export function problemOf(error: unknown): Problem {
  if (!isAppError(error)) throw error;
  const { code, message, fields } = error;
  return { code, message, fields };
}

/** `CODE: message | key: value`. */
export function problemLine({ code, message, fields }: Problem): string {
  const facts = Object.entries(fields).filter(([, value]) => value !== undefined);
  return [`${code}: ${message}`, ...facts.map(([key, value]) => `${key}: ${value}`)].join(" | ");
}

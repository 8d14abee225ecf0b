import { isAppError } from "@assay/core/app-error";

const CODED = /^([A-Z][A-Z0-9_]*): /;

/** One text for an error: a queue keeps nothing else of it. */
export function failureText(error: unknown): string {
  return isAppError(error) ? `${error.code}: ${error.message}` : String(error);
}

/** The AppError's code in a {@link failureText}; null for anything else: a bug, or a worker that fell silent. */
export function failureCode(text: string): string | null {
  return CODED.exec(text)?.[1] ?? null;
}

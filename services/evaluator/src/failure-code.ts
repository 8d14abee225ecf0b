import { isAppError } from "@assay/core/app-error";

/** The code of a failure that may heal: ours by its own code, the operating system's (a full disk) by its; null for a bug. */
export function failureCode(error: unknown): string | null {
  if (isAppError(error)) return error.code;
  const isSystemError = error instanceof Error && "syscall" in error && "code" in error;
  return isSystemError ? String(error.code) : null;
}

/** Facts that go with an error into logs and the ledger. Never secrets, never tensors. */
export type ErrorFields = Readonly<Record<string, string | number | boolean | bigint | null | undefined>>;

export interface AppErrorOptions {
  /** Whether the same call may succeed later with nothing changed by a person. */
  readonly retryable?: boolean;
  readonly fields?: ErrorFields;
  readonly cause?: unknown;
}

/**
 * Our own failure (never a miner's, which is a result), known by a stable code.
 *
 * Dashboards and runbooks use the code; the message is for people and may change. Each package extends this class
 * with its own code table and lists there when each code happens.
 */
export class AppError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly retryable: boolean;
  readonly fields: ErrorFields;

  constructor(code: Code, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.fields = options.fields ?? {};
  }
}

/** Whether a caught value is an {@link AppError}; compares by shape, so two copies of this package agree. */
export function isAppError(error: unknown): error is AppError {
  return error instanceof Error && "code" in error && "retryable" in error && "fields" in error;
}

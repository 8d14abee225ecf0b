import type { ErrorFields } from "@assay/core/app-error";

/** What the parent sends. */
export type ParentMessage<Request> =
  | { readonly kind: "request"; readonly id: number; readonly request: Request }
  | { readonly kind: "cancel"; readonly id: number };

/** What the child sends. */
export type ChildMessage<Reply> =
  | { readonly kind: "ready" }
  | { readonly kind: "reply"; readonly id: number; readonly reply: Reply }
  | { readonly kind: "failure"; readonly id: number; readonly failure: SentError };

/** An error on its way between processes; only what survives a copy. */
export interface SentError {
  /** Null when the child threw something without a code: a bug. */
  readonly code: string | null;
  readonly message: string;
  readonly stack: string | null;
  readonly retryable: boolean;
  readonly fields: ErrorFields;
}

import { AppError } from "@assay/core/app-error";

/** How a child process can fail us. Codes are stable: dashboards and runbooks use them. */
export const ChildErrorCode = {
  /** No reply in time; the child was killed, the next request gets a fresh one. */
  Deadline: "CHILD_DEADLINE",
  /** The child ended (crash, out of memory, kill) while a request was pending. */
  Exited: "CHILD_EXITED",
  /** The child used more memory than its limit and was killed; the next request gets a fresh one. */
  Memory: "CHILD_MEMORY",
  /** The child did not say that it is ready. */
  StartFailed: "CHILD_START_FAILED",
  /** The child's code threw something other than an AppError: a bug in it. */
  HandlerFailed: "CHILD_HANDLER_FAILED",
  /** A request after `stop`. */
  Stopped: "CHILD_STOPPED",
} as const;
export type ChildErrorCode = (typeof ChildErrorCode)[keyof typeof ChildErrorCode];

export class ChildError extends AppError<ChildErrorCode> {}

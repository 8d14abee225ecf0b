import { AppError } from "@assay/core/app-error";

/** How a queue can fail. Codes are stable: dashboards and runbooks use them. */
export const QueueErrorCode = {
  /** Redis does not answer. Work in flight waits; files and ledger hold the truth. */
  Unavailable: "QUEUE_UNAVAILABLE",
  /** The Redis URL is not `redis://…`, `rediss://…` or `unix:///path`. */
  UrlInvalid: "QUEUE_URL_INVALID",
} as const;
export type QueueErrorCode = (typeof QueueErrorCode)[keyof typeof QueueErrorCode];

export class QueueError extends AppError<QueueErrorCode> {}

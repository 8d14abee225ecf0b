import { AppError } from "@assay/core/app-error";

/** How HTTP can fail us. Codes are stable: dashboards and runbooks use them. */
export const HttpErrorCode = {
  /** The address is taken, not ours, or needs privileges. */
  ListenFailed: "HTTP_LISTEN_FAILED",
  /** The other side answered with a status that is not a success; `fields.status`. */
  Status: "HTTP_STATUS",
  /** A limit on time was reached; `fields.phase` says which. */
  Timeout: "HTTP_TIMEOUT",
  /** No complete answer: refused, reset, no such host, bad certificate. */
  RequestFailed: "HTTP_REQUEST_FAILED",
  /** The answer is longer than it may be. */
  TooLarge: "HTTP_TOO_LARGE",
} as const;
export type HttpErrorCode = (typeof HttpErrorCode)[keyof typeof HttpErrorCode];

export class HttpError extends AppError<HttpErrorCode> {}

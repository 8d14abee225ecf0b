import type { ClientRequest } from "node:http";
import type { ErrorFields } from "@assay/core/app-error";
import got, {
  type Got,
  type GotReturn,
  HTTPError,
  type Options,
  type RequestError,
  type RequestPromise,
  TimeoutError,
} from "got";
import { HttpError, HttpErrorCode } from "./http-error.ts";

export interface HttpClientOptions {
  readonly userAgent: string;
  /** Time to a connection, name look-up included; 10 s unless said otherwise. */
  readonly connectMs?: number;
  /** Time without a byte from the other side; 30 s unless said otherwise. */
  readonly idleMs?: number;
  /** Limit of a whole request; 60 s unless said otherwise. */
  readonly totalMs?: number;
  /** A buffered answer longer than this fails; 1 MiB unless said otherwise. Streams are not limited here. */
  readonly maxBytes?: number;
}

/**
 * A got that has limits, tries once, follows no redirect, and whose errors hold neither headers nor query.
 *
 * Retries belong to the caller, who knows what is safe to repeat: see `time/retry`. Errors are {@link HttpError}s, but
 * for got's own `AbortError` when the signal is aborted.
 */
export function createHttpClient(options: HttpClientOptions): Got {
  const { userAgent, connectMs = 10_000, idleMs = 30_000, totalMs = 60_000, maxBytes = 1024 * 1024 } = options;
  return got.extend({
    headers: { "user-agent": userAgent },
    timeout: { connect: connectMs, lookup: connectMs, secureConnect: connectMs, socket: idleMs, request: totalMs },
    retry: { limit: 0 },
    followRedirect: false,
    // A short answer may unpack to a very long one.
    decompress: false,
    hooks: { beforeError: [toHttpError] },
    handlers: [(request, next) => limitBody(request, next, maxBytes)],
  });
}

function limitBody<T extends GotReturn>(request: Options, next: (request: Options) => T, maxBytes: number): T {
  const response = next(request);
  if (request.isStream) return response;
  let connection: ClientRequest | null = null;
  const promise = response as RequestPromise;
  promise.on("request", (started) => {
    connection = started;
  });
  promise.on("downloadProgress", ({ transferred }) => {
    if (transferred <= maxBytes) return;
    const message = `The answer is longer than ${maxBytes} bytes`;
    connection?.destroy(new HttpError(HttpErrorCode.TooLarge, message, { fields: { maxBytes } }));
  });
  return response;
}

function toHttpError(error: RequestError): Error {
  if (error.cause instanceof HttpError) return error.cause;
  const { method, url } = error.options;
  const host = url instanceof URL ? url.host : URL.parse(url ?? "")?.host;
  const fields = { method, host };
  if (error instanceof HTTPError) return statusError(error.response.statusCode, fields);
  if (error instanceof TimeoutError) {
    const message = `No answer in time (${error.event})`;
    return new HttpError(HttpErrorCode.Timeout, message, {
      retryable: true,
      fields: { ...fields, phase: error.event },
    });
  }
  const message = `The request failed (${error.code})`;
  return new HttpError(HttpErrorCode.RequestFailed, message, {
    retryable: true,
    fields: { ...fields, reason: error.code },
  });
}

const RETRYABLE_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

function statusError(status: number, fields: ErrorFields): HttpError {
  return new HttpError(HttpErrorCode.Status, `The other side answered ${status}`, {
    retryable: RETRYABLE_STATUS.has(status),
    fields: { ...fields, status },
  });
}

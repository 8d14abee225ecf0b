import type { Request, RequestHandler, Response } from "express";
import { Refusal, sendRefusal } from "../refusal.ts";
import { transferDirection } from "./transfer-request.ts";

/** Longest request line and headers together, in bytes; the parser refuses more. */
export const MAX_HEADER_BYTES = 16 * 1024;
/** Most headers that are read. Node drops those beyond silently, so what we allow is less. */
export const MAX_HEADERS_READ = 100;
const MAX_HEADERS = 64;
const MAX_URL_CHARACTERS = 2_048;
/** A body that is no upload has at most a few kilobytes, and this long to come. */
const SMALL_BODY_MILLIS = 10_000;

/**
 * Refuses requests of a shape that no client of ours sends, and bodies that trickle in.
 *
 * @param smallBodyMillis how long a body that is no upload may take.
 */
export function limitShape(smallBodyMillis = SMALL_BODY_MILLIS): RequestHandler {
  return function checkShape(request, response, next) {
    const refusal = shapeRefusal(request);
    if (refusal !== null) {
      sendRefusal(request, response, refusal);
      return;
    }
    if (hasBody(request) && transferDirection(request) !== "upload") {
      limitBodyTime(request, response, smallBodyMillis);
    }
    next();
  };
}

function shapeRefusal({ url, rawHeaders, headers, httpVersion }: Request): Refusal | null {
  if (url.length > MAX_URL_CHARACTERS) {
    return new Refusal(414, "uri_too_long", `A request's path and query have at most ${MAX_URL_CHARACTERS} characters`);
  }
  if (rawHeaders.length / 2 > MAX_HEADERS) {
    return new Refusal(431, "headers_too_large", `A request has at most ${MAX_HEADERS} headers`);
  }
  if (headers.host === undefined && httpVersion === "1.1") {
    return new Refusal(400, "header_invalid", "Host is required");
  }
  const { expect } = headers;
  return expect === undefined || expect.toLowerCase() === "100-continue"
    ? null
    : new Refusal(417, "expectation_failed", "Nothing but 100-continue can be expected");
}

function hasBody({ headers }: Request): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function limitBodyTime(request: Request, response: Response, millis: number): void {
  const timer = setTimeout(() => {
    if (request.complete) {
      return;
    }
    if (response.headersSent) {
      request.socket.destroy();
    } else {
      sendRefusal(
        request,
        response,
        new Refusal(408, "request_timeout", `The body did not end within ${millis / 1000} s`),
      );
    }
  }, millis);
  request.once("close", () => clearTimeout(timer));
}

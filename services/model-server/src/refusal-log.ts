import type { Logger } from "@assay/runtime/logging/logger";
import type { Request, Response } from "express";
import { shortHotkey } from "./display.ts";
import { refusalOf } from "./refusal.ts";
import type { RefusalCode } from "./refusal-codes.ts";

/** What anybody can cause without a token: a line each would let strangers fill the log. */
const OF_STRANGERS: ReadonlySet<RefusalCode> = new Set([
  "unauthorized",
  "rate_limited",
  "uri_too_long",
  "headers_too_large",
  "request_timeout",
]);

/** One line per request that was refused. A submission's is written where its claim is known. */
export function reportRefusal(logger: Logger, request: Request, response: Response): void {
  const refused = refusalOf(response);
  if (refused === undefined || request.path === "/submit") {
    return;
  }
  const hotkey = request.get("x-hotkey");
  const fields = { ...(hotkey !== undefined && { hotkey: shortHotkey(hotkey) }), status: response.statusCode, refused };
  if (OF_STRANGERS.has(refused)) {
    logger.debug(`${request.method} ${request.path}`, fields);
  } else {
    logger.info(`${request.method} ${request.path}`, fields);
  }
}

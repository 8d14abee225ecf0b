import { createHash, timingSafeEqual } from "node:crypto";
import type { RequestHandler } from "express";
import { noteAccess } from "../access-record.ts";
import { Refusal, sendRefusal } from "../refusal.ts";

/**
 * Lets only requests with the token pass.
 *
 * @param token null lets everything pass; only ever under the explicit development flag.
 */
export function requireBearer(token: string | null): RequestHandler {
  const expected = token === null ? null : digest(token);
  return function checkBearer(request, response, next) {
    const given = /^Bearer +([^ ]+) *$/i.exec(request.get("authorization") ?? "")?.[1];
    if (expected === null || (given !== undefined && timingSafeEqual(digest(given), expected))) {
      noteAccess(response, { isTrusted: true });
      next();
      return;
    }
    sendRefusal(
      request,
      response,
      new Refusal(401, "unauthorized", "A valid bearer token is required", { "WWW-Authenticate": "Bearer" }),
    );
  };
}

/** Of equal length for every text, so that comparing tells nothing of the token's length. */
function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

import { createHash, timingSafeEqual } from "node:crypto";
import type { Request, RequestHandler } from "express";
import { noteAccess } from "../access-record.ts";
import type { EndpointDeclaration } from "../api/declaration.ts";
import { ENDPOINTS } from "../api/endpoints.ts";
import { endpointAt } from "../api/find-endpoint.ts";
import { Refusal, sendRefusal } from "../refusal.ts";

/**
 * Lets only requests with the token pass, and those that bring a signature to where a validator's is looked for: each
 * validator hands out a token of its own, and what a hotkey with a permit signs proves more than any token.
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
    if (isSigned(request)) {
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

/** Whether the endpoint looks at the request's signature itself, and serves nobody whose signature is not good. */
function isSigned(request: Request): boolean {
  const endpoint = endpointAt(request.path);
  const declared: EndpointDeclaration | undefined = endpoint && ENDPOINTS[endpoint];
  return declared?.signature !== undefined && request.get("x-signature") !== undefined;
}

/** Of equal length for every text, so that comparing tells nothing of the token's length. */
function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

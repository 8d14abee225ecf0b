import { createHash, timingSafeEqual } from "node:crypto";
import type { Request, RequestHandler } from "express";
import { noteAccess } from "../access-record.ts";
import type { EndpointDeclaration } from "../api/declaration.ts";
import { ENDPOINTS } from "../api/endpoints.ts";
import { endpointAt } from "../api/find-endpoint.ts";
import type { mergeTicketHeaders } from "../api/request-fields.ts";
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

/**
 * Whether the endpoint looks at the request's signature itself, or at the ticket that stands for one, and serves nobody
 * whose is not good.
 */
function isSigned(request: Request): boolean {
  const endpoint = endpointAt(request.path);
  const declared: EndpointDeclaration | undefined = endpoint && ENDPOINTS[endpoint];
  if (declared?.signature === undefined) {
    return false;
  }
  const proofs =
    declared.headers !== undefined && TICKET in declared.headers.shape ? ["x-signature", TICKET] : ["x-signature"];
  return proofs.some((name) => request.get(name) !== undefined);
}

const TICKET: keyof typeof mergeTicketHeaders.shape = "x-merge-ticket";

/** Of equal length for every text, so that comparing tells nothing of the token's length. */
function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

import type { Request, RequestHandler, Response } from "express";
import { isOnOwnAccount } from "../access-record.ts";
import { type Refusal, refuseUntil, sendRefusal } from "../refusal.ts";
import { clientNetwork } from "./client-network.ts";
import type { RequestRate } from "./request-rate.ts";
import { transferDirection } from "./transfer-request.ts";

/**
 * Counts a request on a key's account; a refusal when there were too many.
 *
 * A download that moved bytes in bulk is taken back at its end: slots limit those, and a client that fetches a file in
 * a thousand pieces makes more requests than any other may.
 */
export function countRequest(rate: RequestRate, key: string, { res: response }: Request): Refusal | null {
  const waitMillis = rate.take(key);
  if (waitMillis > 0) {
    return refuseUntil(429, "rate_limited", "Too many requests in a short time", waitMillis / 1000);
  }
  response?.once("finish", () => {
    if (movedInBulk(response)) {
      rate.giveBack(key);
    }
  });
  return null;
}

/** Limits what one address may ask. Before the token is looked at, so that guessing tokens is limited as well. */
export function limitAddressRate(rate: RequestRate): RequestHandler {
  return function countAddress(request, response, next) {
    const network = clientNetwork(request.ip);
    const refusal = countRequest(rate, network, request);
    if (refusal === null) {
      response.once("finish", () => {
        if (isOnOwnAccount(response)) {
          rate.giveBack(network);
        }
      });
      next();
    } else {
      sendRefusal(request, response, refusal);
    }
  };
}

const BULK_BYTES = 64 * 1024;

function movedInBulk(response: Response): boolean {
  const isSent = response.statusCode === 200 || response.statusCode === 206;
  return (
    isSent &&
    transferDirection(response.req) === "download" &&
    Number(response.getHeader("Content-Length") ?? 0) >= BULK_BYTES
  );
}

import type { ChainView } from "@assay/core/chain-view";
import { sha256Hex } from "@assay/core/hash/sha256";
import { isRecentBlock } from "@assay/core/messages/block-window";
import { type RequestSignature, requestMessageBytes } from "@assay/core/messages/request-message";
import type { Hotkey } from "@assay/core/units";
import type { Request } from "express";
import { faultyHeaders, readHeaders } from "../api/read-request.ts";
import { signedHeaders } from "../api/request-fields.ts";
import { countRequest } from "../limits/limit-rate.ts";
import type { RequestRate } from "../limits/request-rate.ts";
import { Refusal } from "../refusal.ts";
import { isSignedBy } from "./hotkey-signature.ts";
import type { NonceBook } from "./nonce-book.ts";
import { checkTarget } from "./request-target.ts";

export interface SignedRequestOptions {
  /** How many blocks back a signed request is good, and so how long its nonce is kept. */
  readonly windowBlocks: number;
  /** Of requests by hotkeys that proved to be theirs. */
  readonly rate: RequestRate;
}

/** The validator that provably sent this request (without body), or why it is not served. */
export function signedValidator(
  request: Request,
  view: ChainView,
  nonces: NonceBook,
  { windowBlocks, rate }: SignedRequestOptions,
): Hotkey | Refusal {
  const signature = signatureOf(request);
  if (signature instanceof Refusal) {
    return signature;
  }
  if (!isSignedBy(signature.hotkey, signature.signature, signedBytes(request, signature))) {
    return new Refusal(403, "signature_invalid", "The signature is not the hotkey's over this request");
  }
  return (
    checkTarget(signature.target, view) ??
    checkCaller(signature, view) ??
    countRequest(rate, signature.hotkey, request) ??
    checkOnce(signature, view, nonces, windowBlocks) ??
    signature.hotkey
  );
}

/** The validator that a ticket stands for, or why it is not served. */
export function ticketedValidator(
  request: Request,
  hotkey: Hotkey,
  view: ChainView,
  rate: RequestRate,
): Hotkey | Refusal {
  return checkCaller({ hotkey }, view) ?? countRequest(rate, hotkey, request) ?? hotkey;
}

function signatureOf(request: Request): RequestSignature | Refusal {
  const headers = readHeaders(request, signedHeaders);
  if (!headers.success) {
    return new Refusal(403, "signature_invalid", `${faultyHeaders(headers.error)} missing or malformed`);
  }
  const { data } = headers;
  return {
    hotkey: data["x-hotkey"],
    blockNumber: data["x-block"],
    nonce: data["x-nonce"],
    target: data["x-target"],
    signature: data["x-signature"],
  };
}

function signedBytes(request: Request, { hotkey, blockNumber, nonce, target }: RequestSignature): Uint8Array {
  return requestMessageBytes({
    method: request.method,
    path: request.originalUrl,
    bodySha256: sha256Hex(new Uint8Array()),
    hotkey,
    blockNumber,
    nonce,
    target,
  });
}

function checkCaller({ hotkey }: Pick<RequestSignature, "hotkey">, view: ChainView): Refusal | null {
  const caller = view.roster.find((entry) => entry.hotkey === hotkey);
  if (caller === undefined) {
    return new Refusal(403, "not_registered", "The hotkey has no neuron on this subnet");
  }
  return caller.role === "validator" ? null : new Refusal(403, "not_validator", "Only validators may fetch this");
}

function checkOnce(
  { hotkey, blockNumber, nonce }: RequestSignature,
  view: ChainView,
  nonces: NonceBook,
  windowBlocks: number,
): Refusal | null {
  if (!isRecentBlock(blockNumber, view.block, windowBlocks)) {
    return new Refusal(403, "block_window", `Block ${blockNumber} is too far from the current block ${view.block}`);
  }
  const verdict = nonces.use(hotkey, nonce, blockNumber, view.block - windowBlocks);
  if (verdict === "reused") {
    return new Refusal(403, "nonce_reused", "The nonce was used before");
  }
  return verdict === "full" ? new Refusal(429, "too_many_requests", "Too many signed requests at a time") : null;
}

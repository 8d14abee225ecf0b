import type { ChainView } from "@assay/core/chain-view";
import { sha256Hex } from "@assay/core/hash/sha256";
import { isRecentBlock } from "@assay/core/messages/block-window";
import {
  type RequestSignature,
  requestMessageBytes,
  requestSignatureSchema,
} from "@assay/core/messages/request-message";
import type { Hotkey } from "@assay/core/units";
import type { Request } from "express";
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
  const parsed = requestSignatureSchema.safeParse({
    hotkey: request.get("x-hotkey"),
    blockNumber: decimal(request.get("x-block")),
    nonce: request.get("x-nonce"),
    target: request.get("x-target"),
    signature: request.get("x-signature"),
  });
  if (!parsed.success) {
    return new Refusal(403, "signature_invalid", "X-Hotkey, X-Block, X-Nonce and X-Signature must sign this request");
  }
  const signature = parsed.data;
  if (!isSignedBy(signature.hotkey, signature.signature, signedBytes(request, signature))) {
    return new Refusal(403, "signature_invalid", "The signature is not the hotkey's over this request");
  }
  return (
    checkTarget(request, view) ??
    checkCaller(signature, view) ??
    countRequest(rate, signature.hotkey, request) ??
    checkOnce(signature, view, nonces, windowBlocks) ??
    signature.hotkey
  );
}

/** A header's decimal number; NaN, which no schema takes, for anything else. */
export function decimal(text: string | undefined): number {
  return text !== undefined && /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
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

function checkCaller({ hotkey }: RequestSignature, view: ChainView): Refusal | null {
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

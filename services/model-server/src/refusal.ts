import type { Request, Response } from "express";
import { answerAtOnce } from "./answer-at-once.ts";

/** Why a request was not served, as `error` of the JSON reply. Codes are stable: miners' clients branch on them. */
export type RefusalCode =
  /** 401: the bearer token is missing or wrong. */
  | "unauthorized"
  /** 400: a header that the endpoint needs is missing or malformed. */
  | "header_invalid"
  /** 400: neither `application/json` nor `application/octet-stream`, or a content encoding. */
  | "content_type_unsupported"
  /** 400: the JSON body is malformed, or the upload is empty. */
  | "body_invalid"
  /** 400: no such `part` or `format`. */
  | "query_invalid"
  /** 403: the signature is not the hotkey's over these fields. */
  | "signature_invalid"
  /** 403: `X-Target` names another validator. */
  | "wrong_target"
  /** 403: the hotkey has no neuron on the subnet. */
  | "not_registered"
  /** 403: only validators may fetch the whole model. */
  | "not_validator"
  /** 403: not the group that the hotkey announced on chain. */
  | "group_mismatch"
  /** 403: this part of the model is not offered here. */
  | "part_not_offered"
  /** 403: the nonce was used before. */
  | "nonce_reused"
  /** 404: the model has no such expert group. */
  | "unknown_group"
  /** 404: no file of the version that is served has this chunk (any more); fetch its manifest again. */
  | "unknown_chunk"
  /** 404: no such endpoint. */
  | "not_found"
  /** 409 for a submission, 503 with `Retry-After` for a download: not in this phase of the cycle. */
  | "wrong_phase"
  /** 400 for a submission, 403 for a signed request: the signed block is outside its window. */
  | "block_window"
  /** 400: the hotkey committed no hash in this cycle. */
  | "not_committed"
  /** 409: another submission of this hotkey stands in this round. */
  | "duplicate"
  /** 413: longer than the limit, or than any submission of this group can be. */
  | "too_large"
  /** 422: no file of safetensors of the group's size; found in its first bytes or by its length. */
  | "malformed"
  /** 422: the upload's header lacks a tensor of the group or has another's. */
  | "tensor_set_mismatch"
  /** 422: a tensor in the upload's header has not the shape that it has in the model. */
  | "shape_mismatch"
  /** 422: a tensor in the upload's header has not the dtype that it has in the model. */
  | "dtype_mismatch"
  /** 400: the bytes do not hash to `X-Content-Hash`. */
  | "content_hash_mismatch"
  /** 408: the upload did not end in time. */
  | "upload_deadline"
  /** 408: the upload came more slowly than `upload_min_bytes_per_second`. */
  | "upload_too_slow"
  /** 416: the range lies outside the file. */
  | "range_not_satisfiable"
  /** 412: `If-Match` does not hold. */
  | "precondition_failed"
  /** 429: too many requests or transfers of one hotkey, or transfers of one address, at a time. */
  | "too_many_requests"
  /** 429: too many requests of one hotkey or address in a short time; `Retry-After` says when one will pass. */
  | "rate_limited"
  /** 414: path and query are too long. */
  | "uri_too_long"
  /** 431: the headers are too many or too long. */
  | "headers_too_large"
  /** 408: the request did not end in time. */
  | "request_timeout"
  /** 503: too many transfers are under way, of everybody. */
  | "server_busy"
  /** 503: the server is stopping; transfers in flight go on for a while. */
  | "shutting_down"
  /** 503: what is known of the chain is too old to decide by. */
  | "chain_view_stale"
  /** 503: no model is loaded. */
  | "model_unavailable"
  /** 503: the chunks of the version are still being hashed. */
  | "chunks_pending"
  /** 507: the inbox's volume has no room for the bytes; a URL can be submitted instead. */
  | "inbox_full"
  /** 500: our fault. */
  | "internal_error";

/** A request not served, and why: a value, since it is seldom our failure. */
export class Refusal {
  readonly status: number;
  readonly code: RefusalCode;
  readonly detail: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: RefusalCode, detail: string, headers: Readonly<Record<string, string>> = {}) {
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.headers = headers;
  }
}

/** A refusal that says when to come again. */
export function refuseUntil(
  status: number,
  code: RefusalCode,
  detail: string,
  seconds: number,
  headers: Readonly<Record<string, string>> = {},
): Refusal {
  return new Refusal(status, code, detail, { ...headers, "Retry-After": String(Math.max(1, Math.ceil(seconds))) });
}

/** Sends `{error, detail}`, without waiting for the rest of a body that is still coming. */
export function sendRefusal(request: Request, response: Response, refusal: Refusal): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  refusals.set(response, refusal.code);
  response.status(refusal.status).set(refusal.headers);
  answerAtOnce(request, response, { error: refusal.code, detail: refusal.detail });
}

/** Why a request was refused; undefined when it was not. */
export function refusalOf(response: Response): RefusalCode | undefined {
  return refusals.get(response);
}

const refusals = new WeakMap<Response, RefusalCode>();

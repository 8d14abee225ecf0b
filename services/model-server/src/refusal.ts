import type { Request, Response } from "express";
import { answerAtOnce } from "./answer-at-once.ts";
import type { RefusalCode, RefusalHeaders, StatusOf } from "./refusal-codes.ts";

/** A request not served, and why: a value, since it is seldom our failure. */
export class Refusal<Code extends RefusalCode = RefusalCode> {
  readonly status: number;
  readonly code: Code;
  readonly detail: string;
  readonly headers: Readonly<Partial<Record<string, string>>>;

  constructor(status: StatusOf<Code>, code: Code, detail: string, headers: RefusalHeaders<Code> = {}) {
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.headers = headers;
  }
}

/** A refusal that says when to come again. */
export function refuseUntil<Code extends RetryCode>(
  status: StatusOf<Code>,
  code: Code,
  detail: string,
  seconds: number,
  headers: RefusalHeaders<Code> = {},
): Refusal<Code> {
  const retryAfter = { "Retry-After": String(Math.max(1, Math.ceil(seconds))) };
  return new Refusal<Code>(status, code, detail, { ...headers, ...retryAfter } as RefusalHeaders<Code>);
}

type RetryCode = {
  [Code in RefusalCode]: RefusalHeaders<Code>["Retry-After"] extends undefined ? never : Code;
}[RefusalCode];

/** Sends `{error, detail}`, without waiting for the rest of a body that is still coming. */
export function sendRefusal(request: Request, response: Response, refusal: Refusal): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  refusals.set(response, refusal);
  response.status(refusal.status).set({ "Cache-Control": "no-store", ...refusal.headers });
  answerAtOnce(request, response, { error: refusal.code, detail: refusal.detail });
}

/** The refusal that was sent; undefined when none was. */
export function refusalOf(response: Response): Refusal | undefined {
  return refusals.get(response);
}

const refusals = new WeakMap<Response, Refusal>();

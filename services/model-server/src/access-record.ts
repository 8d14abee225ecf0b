import type { BlockNumber, ExpertGroup, Hotkey } from "@assay/core/units";
import type { Request, Response } from "express";
import { wasAnsweredAtOnce } from "./answer-at-once.ts";
import { labelOf } from "./api/find-endpoint.ts";
import { type CutReason, cutReasonOf } from "./limits/cut-transfer.ts";
import { bytesTaken } from "./limits/reply-progress.ts";
import type { OffloadKind } from "./offload/offload.ts";
import { refusalOf } from "./refusal.ts";
import type { RefusalCode } from "./refusal-codes.ts";

/** What became of a request, as a stable word of metrics and log lines. */
export type AccessOutcome =
  | "served"
  | "handed_over"
  | "accepted"
  | "duplicate"
  | "cut_by_client"
  | CutReason
  | RefusalCode;

/** Bytes that were asked for; how many of them went out, only whoever sends them knows. */
export interface HandedOver {
  readonly to: OffloadKind;
  readonly bytes: number;
  /** Where in its file the reply begins; undefined when it is no range. */
  readonly offset: number | undefined;
}

/** What only those know who work on a request. */
export interface AccessFacts {
  /** It brought the token. */
  readonly isTrusted?: true;
  /** When its transfer had a slot, by `performance.now()`. */
  readonly startedAt?: number;
  readonly hotkey?: Hotkey;
  /** What was asked for: a group's number, or the name of another part. */
  readonly group?: ExpertGroup | string;
  /** The signed one. */
  readonly block?: BlockNumber;
  readonly outcome?: Extract<AccessOutcome, "handed_over" | "accepted" | "duplicate">;
  /** What somebody else was left to send. */
  readonly handedOver?: HandedOver;
  /** Bytes of an upload that have come so far. */
  readonly receivedBytes?: () => number;
  /** A signature proved whose it is, and it is counted there and nowhere else. */
  readonly isOnOwnAccount?: true;
  /** Told only to whoever looks closer. */
  readonly isOneOfMany?: true;
}

/** Adds to what is known of a request. */
export function noteAccess(response: Response, more: AccessFacts): void {
  facts.set(response, { ...facts.get(response), ...more });
}

/** Whether a request is counted on the account of the hotkey that signed it alone. */
export function isOnOwnAccount(response: Response): boolean {
  return facts.get(response)?.isOnOwnAccount === true;
}

/** A request that is over. */
export interface AccessRecord extends Omit<AccessFacts, "outcome" | "receivedBytes"> {
  readonly endpoint: string;
  readonly status: number;
  readonly outcome: AccessOutcome;
  /** Bytes of the reply's body that the operating system took. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly millis: number;
  /** Why it was refused, in words of ours. */
  readonly detail: string | undefined;
  /** Where in its file a reply began; undefined when it was no range. */
  readonly offset: number | undefined;
}

/** @param arrivedAt by `performance.now()`; a transfer's time begins when it has its slot. */
export function accessRecord(request: Request, response: Response, arrivedAt: number): AccessRecord {
  const known = facts.get(response) ?? {};
  const isWhole = response.writableFinished || wasAnsweredAtOnce(response);
  const refused = refusalOf(response);
  return {
    ...known,
    receivedBytes: known.receivedBytes?.() ?? 0,
    endpoint: labelOf(request.path),
    status: response.statusCode,
    outcome: isWhole ? (refused?.code ?? known.outcome ?? "served") : (cutReasonOf(response) ?? "cut_by_client"),
    sentBytes: sentBytes(request, response, isWhole),
    detail: refused?.detail,
    millis: performance.now() - (known.startedAt ?? arrivedAt),
    offset: known.handedOver === undefined ? offsetOf(response) : known.handedOver.offset,
  };
}

const facts = new WeakMap<Response, AccessFacts>();

function sentBytes(request: Request, response: Response, isWhole: boolean): number {
  const length = request.method === "HEAD" ? 0 : Number(response.getHeader("Content-Length") ?? 0);
  return isWhole ? length : Math.min(length, bytesTaken(request, response));
}

function offsetOf(response: Response): number | undefined {
  const range = response.statusCode === 206 ? String(response.getHeader("Content-Range")) : "";
  const [, first] = /^bytes (\d+)-/.exec(range) ?? [];
  return first === undefined ? undefined : Number(first);
}

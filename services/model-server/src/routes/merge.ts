import { ComposedFile } from "@assay/checkpoint/store/composed-file";
import type { Hotkey } from "@assay/core/units";
import type { Clock } from "@assay/runtime/time/clock";
import type { Request, Response } from "express";
import type { z } from "zod";
import { noteAccess } from "../access-record.ts";
import type { HandlerOf } from "../api/register.ts";
import type { mergeTicketHeaders } from "../api/request-fields.ts";
import { NonceBook } from "../auth/nonce-book.ts";
import { signedValidator, ticketedValidator } from "../auth/signed-request.ts";
import { TicketBook } from "../auth/ticket-book.ts";
import type { ChainViewFile } from "../chain-view-file.ts";
import type { ExchangeFiles } from "../exchange-files.ts";
import { watchDownload } from "../limits/limit-transfers.ts";
import type { ReaderLimits } from "../limits/reader-watch.ts";
import { RequestRate } from "../limits/request-rate.ts";
import { Tally } from "../limits/tally.ts";
import type { ModelServerMetrics } from "../metrics.ts";
import { Refusal, refuseUntil } from "../refusal.ts";
import { sendFile } from "./serve-file.ts";

export interface MergeComponents {
  readonly chainView: ChainViewFile;
  readonly exchange: ExchangeFiles;
  readonly clock: Clock;
  readonly metrics: ModelServerMetrics;
}

export interface MergeOptions {
  /** How many blocks back a signed request is good. */
  readonly requestWindowBlocks: number;
  readonly reader: ReaderLimits;
}

/** A merge of a minute looks three times a second and fetches chunks at network speed. */
const RATE = { requests: 6_000, windowMillis: 60_000 };
const MOST_NONCES = 20_000;
/** Longer than a merge takes. */
const TICKET_MILLIS = 300_000;
/** Chunks of one validator on their way at a time. */
const MOST_CHUNKS = 8;

/**
 * What validators that merge show each other. A merge has a deadline that miners' downloads must not take from it: no
 * slot is waited for, and a signed request is on its hotkey's own account, of which there are few. Its reply has a ticket,
 * with which the hotkey need not sign for a while.
 */
export function mergeEndpoints(
  components: MergeComponents,
  { requestWindowBlocks: windowBlocks, reader }: MergeOptions,
): { readonly mergeStatements: HandlerOf<"mergeStatements">; readonly mergeChunk: HandlerOf<"mergeChunk"> } {
  const admit = admission(components, windowBlocks);
  return {
    mergeStatements: statementsEndpoint(components, admit),
    mergeChunk: chunkEndpoint(components, admit, reader),
  };
}

interface Admitted {
  readonly hotkey: Hotkey;
  /** What the reply says besides what every file's does. */
  readonly moreHeaders: Readonly<Record<string, string>>;
}

type Admit = (
  request: Request,
  response: Response,
  ticket: z.output<typeof mergeTicketHeaders>,
) => Promise<Admitted | Refusal>;

function admission({ chainView, clock }: MergeComponents, windowBlocks: number): Admit {
  const nonces = new NonceBook(MOST_NONCES);
  const rate = new RequestRate(clock, RATE);
  const tickets = new TicketBook(clock, TICKET_MILLIS);
  return async function admit(request, response, { "x-hotkey": claimed = "", "x-merge-ticket": ticket = "" }) {
    const view = await chainView.fresh();
    if (view instanceof Refusal) {
      return view;
    }
    const hotkey = tickets.isOf(claimed, ticket)
      ? ticketedValidator(request, claimed, view, rate)
      : signedValidator(request, view, nonces, { windowBlocks, rate });
    if (hotkey instanceof Refusal) {
      return hotkey;
    }
    noteAccess(response, { hotkey, isOneOfMany: true, isOnOwnAccount: true });
    return { hotkey, moreHeaders: { "X-Merge-Ticket": tickets.of(hotkey) } };
  };
}

function statementsEndpoint({ exchange }: MergeComponents, admit: Admit): HandlerOf<"mergeStatements"> {
  return async function showStatements(request, response, { params, headers }) {
    const admitted = await admit(request, response, headers);
    if (admitted instanceof Refusal) {
      return admitted;
    }
    const { bytes, sha256 } = await exchange.statements(params.cycle);
    const content = new ComposedFile([bytes], new Map());
    const file = { content, sha256, meta: null, contentType: JSON_TYPE, moreHeaders: admitted.moreHeaders };
    return asRefusal(await sendFile(request, response, file));
  };
}

function chunkEndpoint(
  { exchange, clock, metrics }: MergeComponents,
  admit: Admit,
  reader: ReaderLimits,
): HandlerOf<"mergeChunk"> {
  const underWay = new Tally();
  return async function serveChunk(request, response, { params, headers }) {
    const admitted = await admit(request, response, headers);
    if (admitted instanceof Refusal) {
      return admitted;
    }
    const { hotkey, moreHeaders } = admitted;
    if (underWay.of(hotkey) >= MOST_CHUNKS) {
      return refuseUntil(429, "too_many_requests", "This validator has its share of chunks under way", 1);
    }
    underWay.add([hotkey], 1);
    response.once("close", () => underWay.add([hotkey], -1));
    const content = await exchange.chunk(params.cycle, params.digest);
    if (content === null) {
      return new Refusal(404, "unknown_merge", "No such chunk is offered in this cycle's merge");
    }
    void watchDownload({ clock, metrics }, request, response, reader);
    const contentType = "application/octet-stream";
    const file = { content, sha256: params.digest, meta: null, contentType, moreHeaders };
    return asRefusal(await sendFile(request, response, file));
  };
}

const JSON_TYPE = "application/json";

function asRefusal(sent: Awaited<ReturnType<typeof sendFile>>): Refusal | undefined {
  return sent instanceof Refusal ? sent : undefined;
}

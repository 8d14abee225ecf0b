import type { Clock } from "@assay/runtime/time/clock";
import type { Request, RequestHandler, Response } from "express";
import { noteAccess } from "../access-record.ts";
import type { ModelServerMetrics } from "../metrics.ts";
import { Refusal, refuseUntil, sendRefusal } from "../refusal.ts";
import { type Bandwidth, setPace } from "./bandwidth.ts";
import { clientNetwork } from "./client-network.ts";
import { type CutReason, cutTransfer } from "./cut-transfer.ts";
import { type ReaderLimits, watchReader } from "./reader-watch.ts";
import type { TransferDenial, TransferGate, TransferParty, TransferSlot } from "./transfer-gate.ts";
import { type TransferDirection, transferDirection } from "./transfer-request.ts";

export interface TransferComponents {
  readonly gate: TransferGate;
  readonly bandwidth: Bandwidth;
  readonly clock: Clock;
  readonly metrics: ModelServerMetrics;
}

/**
 * Lets requests that move bytes in bulk wait for a slot, which is theirs until the reply is over.
 *
 * What is refused by its endpoint gives its slot back within milliseconds. An upload's time is limited where it is
 * received; the reader of a download is watched here.
 */
export function limitTransfers(components: TransferComponents, reader: ReaderLimits): RequestHandler {
  return async function admitTransfer(request, response, next) {
    const direction = transferDirection(request);
    if (direction === null) {
      next();
      return;
    }
    const slot = await waitForSlot(components, request, response);
    if (typeof slot === "string") {
      deny(request, response, slot);
      return;
    }
    noteAccess(response, { startedAt: performance.now() });
    occupy(components, response, { direction, slot });
    limitBandwidth(components, response);
    if (direction === "download") {
      void watchDownload(components, request, response, reader);
    }
    next();
  };
}

async function waitForSlot({ gate, metrics }: TransferComponents, request: Request, response: Response) {
  const gone = new AbortController();
  const leave = () => gone.abort();
  response.once("close", leave);
  const observe = metrics.transferWaitSeconds.startTimer();
  metrics.transfersWaiting.inc();
  try {
    return await gate.enter(partyOf(request), gone.signal);
  } finally {
    metrics.transfersWaiting.dec();
    observe();
    response.off("close", leave);
  }
}

/** An SS58 address has 47 or 48 characters; text that is longer is not worth remembering. */
const MAX_HOTKEY_CHARACTERS = 64;

function partyOf(request: Request): TransferParty {
  const hotkey = request.get("x-hotkey") ?? "";
  const isName = hotkey !== "" && hotkey.length <= MAX_HOTKEY_CHARACTERS;
  return { hotkey: isName ? hotkey : null, network: clientNetwork(request.ip) };
}

interface Occupied {
  readonly direction: TransferDirection;
  readonly slot: TransferSlot;
}

function occupy({ metrics }: TransferComponents, response: Response, { direction, slot }: Occupied): void {
  const stop = () => {
    metrics.transfersCut.inc({ reason: "stopping" });
    cutTransfer(response, "stopping");
  };
  slot.signal.addEventListener("abort", stop, { once: true });
  metrics.transfersInFlight.inc({ direction });
  const release = () => {
    slot.signal.removeEventListener("abort", stop);
    metrics.transfersInFlight.dec({ direction });
    slot.release();
  };
  if (response.closed) {
    release();
  } else {
    response.once("close", release);
  }
}

function limitBandwidth({ bandwidth }: TransferComponents, response: Response): void {
  const over = new AbortController();
  const pace = bandwidth.begin(over.signal);
  if (pace !== null && !response.closed) {
    response.once("close", () => over.abort());
    setPace(response, pace);
  }
}

/** Cuts a download whose reader takes too little of it, or too long. */
export async function watchDownload(
  { clock, metrics }: Pick<TransferComponents, "clock" | "metrics">,
  request: Request,
  response: Response,
  limits: ReaderLimits,
): Promise<void> {
  const over = new AbortController();
  response.once("close", () => over.abort());
  if (response.closed) {
    return;
  }
  const reason: CutReason | null = await watchReader(request.socket, clock, limits, over.signal);
  if (reason !== null && !response.closed) {
    metrics.transfersCut.inc({ reason });
    cutTransfer(response, reason);
  }
}

function deny(request: Request, response: Response, denial: TransferDenial): void {
  if (denial !== "gone") {
    sendRefusal(request, response, refusalOf(denial));
  }
}

function refusalOf(denial: Exclude<TransferDenial, "gone">): Refusal {
  switch (denial) {
    case "share_used":
      return refuseUntil(429, "too_many_requests", "This hotkey or address has its share of transfers under way", 5);
    case "queue_full":
      return refuseUntil(503, "server_busy", "Too many transfers are under way and waiting", 15);
    case "wait_too_long":
      return refuseUntil(503, "server_busy", "No transfer ended while this one waited", 5);
    case "stopping":
      return new Refusal(503, "shutting_down", "The server is stopping", { "Retry-After": "15" });
  }
}

import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { isSystemError } from "@assay/checkpoint/atomic-write";
import { cyclesWithDigests } from "@assay/checkpoint/digest-cycles";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import { MOST_CYCLES_LISTED } from "@assay/core/cycle-digests/cycle-digests";
import type { SignedExplanation } from "@assay/core/receipts/explanation";
import type { Request, Response } from "express";
import type { HandlerOf } from "../api/register.ts";
import { Refusal } from "../refusal.ts";
import { sendText } from "./send-text.ts";

/** `GET /receipts/:cycle`: the bundle as the evaluator wrote it, byte for byte. */
export function receiptsEndpoint(layout: CheckpointLayout): HandlerOf<"receipts"> {
  return async function sendReceipts(request, response, { params }) {
    return await sendWhole(request, response, layout.receiptBundle(Number(params.cycle)), OF_CYCLE);
  };
}

/** `GET /digests`: of which cycles there are digests. */
export function digestCyclesEndpoint(layout: CheckpointLayout): HandlerOf<"digestCycles"> {
  return async function listDigestCycles(_request, response) {
    const cycles = await cyclesWithDigests(layout, MOST_CYCLES_LISTED);
    response.set("Cache-Control", "no-store");
    sendText(response, "json", JSON.stringify({ cycles }));
    return undefined;
  };
}

/** `GET /digests/:cycle`: a cycle's digests as the evaluator wrote them. */
export function cycleDigestsEndpoint(layout: CheckpointLayout): HandlerOf<"cycleDigests"> {
  return async function sendDigests(request, response, { params }) {
    return await sendWhole(request, response, layout.cycleDigests(Number(params.cycle)), OF_CYCLE);
  };
}

/** `GET /exports/recent`: the newest receipts as CSV. */
export function recentExportEndpoint(layout: CheckpointLayout): HandlerOf<"recentExport"> {
  return async function sendRecentExport(request, response) {
    return await sendWhole(request, response, layout.recentExport, CSV);
  };
}

/** `GET /exports/YYYY/MM/DD/HH.csv`: the receipts of one hour as CSV. */
export function hourlyExportEndpoint(layout: CheckpointLayout): HandlerOf<"hourlyExport"> {
  return async function sendHourlyExport(request, response, { params }) {
    const { year, month, day, hour } = params;
    return await sendWhole(request, response, layout.hourlyExport([year, month, day, hour.slice(0, 2)]), CSV);
  };
}

/** `GET /explain/:hotkey`: why a miner stands where it stands. */
export function explainEndpoint(layout: CheckpointLayout): HandlerOf<"explain"> {
  return async function explainMiner(_request, response, { params }) {
    const text = await readOrNull(layout.explanations);
    const all = new Map(Object.entries(JSON.parse(text ?? "{}") as Record<string, SignedExplanation>));
    const explained = all.get(params.hotkey);
    if (explained === undefined) return unknown();
    response.set("Cache-Control", "no-store");
    sendText(response, "json", JSON.stringify(explained));
    return undefined;
  };
}

/** What is written of a cycle once and stays as it is. */
const OF_CYCLE = { type: "json", caching: "public, max-age=3600" } as const;
const CSV = { type: "csv", caching: "no-store" } as const;

/** Streams a file of the evaluator's; one that is replaced meanwhile is sent as it was. */
async function sendWhole(
  request: Request,
  response: Response,
  path: string,
  { type, caching }: { readonly type: "json" | "csv"; readonly caching: string },
): Promise<Refusal | undefined> {
  const file = await openOrNull(path);
  if (file === null) return unknown();
  try {
    const { size } = await file.stat();
    response.type(type).set({ "Content-Length": String(size), "Cache-Control": caching });
    if (request.method === "HEAD") response.end();
    else await pipeline(file.createReadStream({ autoClose: false }), response);
  } catch (error) {
    // The client has gone.
    if (!isSystemError(error, "ERR_STREAM_PREMATURE_CLOSE", "EPIPE", "ECONNRESET")) throw error;
  } finally {
    await file.close();
  }
  return undefined;
}

async function openOrNull(path: string) {
  try {
    return await open(path);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return null;
    throw error;
  }
}

async function readOrNull(path: string): Promise<string | null> {
  const file = await openOrNull(path);
  try {
    return (await file?.readFile("utf8")) ?? null;
  } finally {
    await file?.close();
  }
}

function unknown(): Refusal {
  return new Refusal(404, "unknown_receipts", "Nothing is known of it here");
}

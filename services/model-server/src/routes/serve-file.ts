import { isSystemError } from "@assay/checkpoint/atomic-write";
import { CheckpointError, CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import type { ByteRange, ComposedFile } from "@assay/checkpoint/store/composed-file";
import type { Request, Response } from "express";
import { noteAccess } from "../access-record.ts";
import type { ModelMeta } from "../api/reply-shapes.ts";
import type { Offload } from "../offload/offload.ts";
import { Refusal } from "../refusal.ts";
import { singleRange } from "./byte-range.ts";
import { sendBytes, written } from "./send-bytes.ts";

/** One file of the model with what its receiver should know of it. */
export interface ServedFile {
  readonly content: ComposedFile;
  /** Null for a file that no manifest vouches for. */
  readonly sha256: string | null;
  /** Null for bytes that mean the same in every version. */
  readonly meta: ModelMeta | null;
  readonly contentType: string;
  /** Beside those of every file. */
  readonly moreHeaders?: Readonly<Record<string, string>>;
}

/** How sending ended: all that was asked for, cut by the client, or left to somebody else. */
export type Sent = "sent" | "cut" | "handed_over";

/**
 * Streams a file with `ETag`, `Range`, `If-Range`, `If-Match`, `If-None-Match` and `HEAD` as HTTP has them.
 *
 * Several ranges in one request are answered with the whole file, as RFC 9110 §14.2 allows, and so is a unit other than
 * bytes. Only a GET has ranges.
 *
 * @param offload who may send the bytes instead, once everything else was decided here.
 */
export async function sendFile(
  request: Request,
  response: Response,
  file: ServedFile,
  offload: Offload | null = null,
): Promise<Sent | Refusal> {
  const etag = file.sha256 === null ? null : `"${file.sha256}"`;
  response.set({
    "Content-Type": file.contentType,
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
    ...(file.meta !== null && { "X-Model-Meta": JSON.stringify(file.meta) }),
    ...file.moreHeaders,
    ...(etag !== null && { ETag: etag, "X-Content-Hash": `sha256:${file.sha256}` }),
  });
  if (!matches(request.get("if-match"), etag)) {
    return refused(response, new Refusal(412, "precondition_failed", "The file has another ETag"));
  }
  if (request.fresh) {
    response.removeHeader("Content-Type");
    response.status(304).end();
    return "sent";
  }
  const range = wantedRange(request, file.content.bytes, etag);
  if (range instanceof Refusal) {
    return refused(response, range);
  }
  if (range !== null) {
    response.status(206);
    response.set("Content-Range", `bytes ${range.start}-${range.end - 1}/${file.content.bytes}`);
  }
  const { start, end } = range ?? { start: 0, end: file.content.bytes };
  response.set("Content-Length", String(end - start));
  const { content, sha256 } = file;
  const canLeave = offload !== null && sha256 !== null && request.method === "GET";
  if (canLeave && (await offload.handOver(request, response, { content, sha256 }, range))) {
    const handedOver = { to: offload.kind, bytes: end - start, offset: range?.start };
    noteAccess(response, { handedOver, outcome: "handed_over" });
    return "handed_over";
  }
  return await send(request, response, file, () => sendBytes(response, file.content, { start, end }));
}

/** Streams `u32 big-endian length | JSON | bytes` in one body: no ranges, because the JSON changes with every block. */
export async function sendFramed(request: Request, response: Response, file: ServedFile): Promise<Sent | Refusal> {
  const json = Buffer.from(JSON.stringify(file.meta));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  response.set({
    "Content-Type": "application/octet-stream",
    "Content-Length": String(length.length + json.length + file.content.bytes),
    "Accept-Ranges": "none",
    "Cache-Control": "private, no-store",
  });
  return await send(request, response, file, async () => {
    await written(response, (done) => response.write(Buffer.concat([length, json]), done));
    await sendBytes(response, file.content, { start: 0, end: file.content.bytes });
  });
}

/** Before the first byte goes out, every file is looked at: one that is gone is still a clean refusal. */
async function send(
  request: Request,
  response: Response,
  { content }: ServedFile,
  sendBody: () => Promise<void>,
): Promise<Sent | Refusal> {
  try {
    await content.check();
    if (request.method === "HEAD") {
      response.end();
    } else {
      await sendBody();
    }
    return "sent";
  } catch (error) {
    return fileFailure(response, error);
  }
}

/** Whether an `If-Match` allows the file; absent, it allows every one. */
function matches(condition: string | undefined, etag: string | null): boolean {
  if (condition === undefined || condition === "*") {
    return true;
  }
  return condition.split(",").some((each) => each.trim() === etag);
}

/** The one range that is wanted and still means this file; null for the whole file. */
function wantedRange(request: Request, bytes: number, etag: string | null): ByteRange | Refusal | null {
  const header = request.get("range");
  const condition = request.get("if-range");
  const isMeant = request.method === "GET" && (condition === undefined || condition === etag);
  const range = header === undefined || !isMeant ? null : singleRange(header, bytes);
  if (range === "unsatisfiable") {
    const size = { "Content-Range": `bytes */${bytes}` };
    return new Refusal(416, "range_not_satisfiable", "The range lies outside the file", size);
  }
  return range;
}

function fileFailure(response: Response, error: unknown): Sent | Refusal {
  if (response.headersSent || isCut(error)) {
    response.destroy();
    return "cut";
  }
  if (error instanceof CheckpointError && error.code === CheckpointErrorCode.ModelChanged) {
    const detail = "A file of the model is not what it was";
    return refused(response, new Refusal(503, "model_unavailable", detail, { "Retry-After": "12" }));
  }
  throw error;
}

const CUT_ERRORS = [
  "ECONNABORTED",
  "ECONNRESET",
  "EPIPE",
  "ECANCELED",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_DESTROYED",
];

function isCut(error: unknown): boolean {
  return isSystemError(error, ...CUT_ERRORS);
}

/** The refusal, on a response that no longer speaks of the file. */
function refused(response: Response, refusal: Refusal): Refusal {
  for (const name of FILE_HEADERS) {
    response.removeHeader(name);
  }
  return refusal;
}

const FILE_HEADERS = [
  "ETag",
  "Content-Type",
  "Content-Disposition",
  "X-Accel-Buffering",
  "Content-Length",
  "Content-Range",
  "X-Content-Hash",
  "X-Model-Meta",
  "X-Merge-Ticket",
  "Accept-Ranges",
];

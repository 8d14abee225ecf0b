import { pipeline } from "node:stream/promises";
import { isSystemError } from "@assay/checkpoint/atomic-write";
import { CheckpointError, CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import type { ByteRange, ComposedFile } from "@assay/checkpoint/store/composed-file";
import type { Request, Response } from "express";
import { Refusal } from "../refusal.ts";

/** One file of the model with what its receiver should know of it. */
export interface ServedFile {
  readonly content: ComposedFile;
  /** Null for a file that no manifest vouches for. */
  readonly sha256: string | null;
  readonly meta: object;
  readonly contentType: string;
}

/** How sending ended: all that was asked for, or cut by the client. */
export type Sent = "sent" | "cut";

/**
 * Streams a file with `ETag`, `Range`, `If-Range`, `If-Match`, `If-None-Match` and `HEAD` as HTTP has them.
 *
 * Several ranges in one request are answered with the whole file, as RFC 9110 §14.2 allows.
 */
export async function sendFile(request: Request, response: Response, file: ServedFile): Promise<Sent | Refusal> {
  const etag = file.sha256 === null ? null : `"${file.sha256}"`;
  response.set({
    "Content-Type": file.contentType,
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
    "X-Model-Meta": JSON.stringify(file.meta),
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
  return await sendBytes(request, response, file, file.content.read({ start, end }));
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
  return await sendBytes(request, response, file, framed(Buffer.concat([length, json]), file.content));
}

async function* framed(head: Uint8Array, content: ComposedFile): AsyncGenerator<Uint8Array> {
  yield head;
  yield* content.read();
}

/** Before the first byte goes out, every file is looked at: one that is gone is still a clean refusal. */
async function sendBytes(
  request: Request,
  response: Response,
  file: ServedFile,
  bytes: AsyncIterable<Uint8Array>,
): Promise<Sent | Refusal> {
  try {
    await file.content.check();
    if (request.method === "HEAD") {
      response.end();
    } else {
      await pipeline(bytes, response);
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
  const condition = request.get("if-range");
  if (condition !== undefined && condition !== etag) {
    return null;
  }
  const ranges = request.range(bytes, { combine: true });
  if (ranges === -1) {
    const size = { "Content-Range": `bytes */${bytes}` };
    return new Refusal(416, "range_not_satisfiable", "The range lies outside the file", size);
  }
  const [range, ...more] = Array.isArray(ranges) && ranges.type === "bytes" ? ranges : [];
  return range === undefined || more.length > 0 ? null : { start: range.start, end: range.end + 1 };
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

function isCut(error: unknown): boolean {
  return isSystemError(error, "ECONNABORTED", "ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE");
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
  "Content-Length",
  "Content-Range",
  "X-Content-Hash",
  "X-Model-Meta",
  "Accept-Ranges",
];

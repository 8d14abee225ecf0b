import { createReadStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { isSystemError } from "@assay/checkpoint/atomic-write";
import type { Request, Response } from "express";
import { Refusal } from "../refusal.ts";

/** One file of the model with what its receiver should know of it. */
export interface ServedFile {
  readonly folder: string;
  readonly name: string;
  readonly bytes: number;
  /** Null for a file that no manifest vouches for. */
  readonly sha256: string | null;
  readonly meta: object;
  readonly contentType: string;
}

/** How sending ended: all that was asked for, or cut by the client. */
export type Sent = "sent" | "cut";

/** Streams a file with `ETag`, `Range`, `If-Range`, `If-None-Match` and `HEAD` as HTTP has them. */
export function sendFile(response: Response, file: ServedFile): Promise<Sent | Refusal> {
  response.set({
    "Content-Type": file.contentType,
    "Cache-Control": "private, no-cache",
    "X-Model-Meta": JSON.stringify(file.meta),
  });
  if (file.sha256 !== null) {
    response.set({ ETag: `"${file.sha256}"`, "X-Content-Hash": `sha256:${file.sha256}` });
  }
  const { promise, resolve } = Promise.withResolvers<Sent | Refusal>();
  const options = { root: file.folder, lastModified: false, cacheControl: false };
  response.sendFile(file.name, options, (error?: Error | null) => {
    resolve(error === undefined || error === null ? "sent" : fileFailure(response, error));
  });
  return promise;
}

/** Streams `u32 big-endian length | JSON | bytes` in one body: no ranges, because the JSON changes with every block. */
export async function sendFramed(request: Request, response: Response, file: ServedFile): Promise<Sent | Refusal> {
  const json = Buffer.from(JSON.stringify(file.meta));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  response.set({
    "Content-Type": "application/octet-stream",
    "Content-Length": String(length.length + json.length + file.bytes),
    "Accept-Ranges": "none",
    "Cache-Control": "private, no-store",
  });
  if (request.method === "HEAD") {
    response.end();
    return "sent";
  }
  try {
    await pipeline(frame(length, json, join(file.folder, file.name)), response);
    return "sent";
  } catch (error) {
    return fileFailure(response, error);
  }
}

async function* frame(length: Buffer, json: Buffer, path: string): AsyncGenerator<Buffer> {
  const content = createReadStream(path);
  // The file is open before the first byte goes out, so a missing one is still a clean refusal.
  const chunks: AsyncIterator<Buffer> = content[Symbol.asyncIterator]();
  let chunk = await chunks.next();
  yield Buffer.concat([length, json]);
  while (!chunk.done) {
    yield chunk.value;
    chunk = await chunks.next();
  }
}

function fileFailure(response: Response, error: unknown): Sent | Refusal {
  if (response.headersSent || isCut(error)) {
    response.destroy();
    return "cut";
  }
  clearFileHeaders(response);
  const status = error instanceof Error && "status" in error ? error.status : undefined;
  if (status === 416) {
    const size = contentRangeOf(error);
    return new Refusal(416, "range_not_satisfiable", "The range lies outside the file", size);
  }
  if (status === 412) {
    return new Refusal(412, "precondition_failed", "The file has another ETag");
  }
  if (status === 404 || isSystemError(error, "ENOENT")) {
    return new Refusal(503, "model_unavailable", "The file is being replaced", { "Retry-After": "12" });
  }
  throw error;
}

function isCut(error: unknown): boolean {
  return isSystemError(error, "ECONNABORTED", "ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE");
}

function clearFileHeaders(response: Response): void {
  for (const name of ["ETag", "Content-Type", "Content-Length", "X-Content-Hash", "X-Model-Meta", "Accept-Ranges"]) {
    response.removeHeader(name);
  }
}

function contentRangeOf(error: unknown): Record<string, string> {
  if (typeof error === "object" && error !== null && "headers" in error) {
    const { headers } = error;
    if (typeof headers === "object" && headers !== null && "Content-Range" in headers) {
      return { "Content-Range": String(headers["Content-Range"]) };
    }
  }
  return {};
}

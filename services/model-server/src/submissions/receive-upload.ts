import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { isSystemError } from "@assay/checkpoint/atomic-write";
import { CheckpointErrorCode } from "@assay/checkpoint/checkpoint-error";
import { type FileDigest, Sha256Stream } from "@assay/checkpoint/digest";
import { isAppError } from "@assay/core/app-error";
import type { Request } from "express";
import { Refusal } from "../refusal.ts";

export interface UploadLimits {
  readonly maxBytes: number;
  readonly deadlineMillis: number;
}

/** The client went away in the middle; there is nobody left to answer. */
export const CUT = Symbol("upload cut by the client");

/**
 * Streams a request's body to a new file, hashing it on the way; the file is synced when this resolves with a digest.
 *
 * The caller removes the file in every other case.
 */
export async function receiveUpload(
  request: Request,
  path: string,
  { maxBytes, deadlineMillis }: UploadLimits,
): Promise<FileDigest | Refusal | typeof CUT> {
  const body = new Sha256Stream({ maxBytes });
  const onClose = () => {
    if (!request.complete) {
      body.destroy(new UploadCut());
    }
  };
  request.once("close", onClose);
  // Not part of the pipeline: that would close the socket on failure, and with it the way for the reply.
  request.pipe(body);
  if (request.destroyed) {
    onClose();
  }
  try {
    const signal = AbortSignal.timeout(deadlineMillis);
    await pipeline(body, createWriteStream(path, { flags: "wx", flush: true }), { signal });
    return body.digest();
  } catch (error) {
    return uploadFailure(error, { maxBytes, deadlineMillis });
  } finally {
    request.off("close", onClose);
    request.unpipe(body);
  }
}

class UploadCut extends Error {}

function uploadFailure(error: unknown, { maxBytes, deadlineMillis }: UploadLimits): Refusal | typeof CUT {
  if (error instanceof UploadCut) {
    return CUT;
  }
  if (isAppError(error) && error.code === CheckpointErrorCode.ByteLimit) {
    return tooLarge(maxBytes);
  }
  if (error instanceof Error && error.name === "AbortError") {
    return new Refusal(408, "upload_deadline", `The upload did not end within ${deadlineMillis / 1000} s`);
  }
  if (isSystemError(error, "ENOSPC", "EDQUOT")) {
    return new Refusal(503, "inbox_full", "The server has no room for submissions", { "Retry-After": "60" });
  }
  throw error;
}

/** The refusal of a body longer than the limit. */
export function tooLarge(maxBytes: number): Refusal {
  return new Refusal(413, "too_large", `A submission has at most ${maxBytes} bytes`);
}

import { open } from "node:fs/promises";
import { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type { FileDigest } from "@assay/checkpoint/digest";
import { Refusal } from "../refusal.ts";
import { UploadSink, type UploadSinkOptions, UploadStopped } from "./upload-sink.ts";

export interface UploadPace {
  readonly deadlineMillis: number;
  /** Least rate over each window; 0 for none. */
  readonly minBytesPerSecond: number;
  readonly rateWindowMillis: number;
}

/** The bytes of an upload, which nobody has asked for yet. */
export interface UploadBody {
  /** Destroyed with {@link UploadStopped} when it turns out to be no body; with anything else when the client is gone. */
  readonly stream: Readable;
  /** Null when the request does not say. */
  readonly declaredBytes: number | null;
  /** Tells a client that waits for it to send them. */
  readonly ask: () => void;
}

/** Where an upload goes and what it is judged by while it comes. */
export interface UploadTarget extends UploadPace, UploadSinkOptions {
  /** A new file. The caller removes it unless the upload becomes a submission. */
  readonly path: string;
  /** Told at the start how to learn, at any time, how many bytes have come. */
  readonly noteCount: (receivedBytes: () => number) => void;
}

/** The client went away in the middle; there is nobody left to answer. */
export const CUT = Symbol("upload cut by the client");

/** Streams an upload to a new file and hashes it on the way; the file is synced when this resolves with a digest. */
export async function receiveUpload(body: Readable, target: UploadTarget): Promise<FileDigest | Refusal | typeof CUT> {
  const file = await open(target.path, "wx");
  // A form's parser may not be done with what it hands out.
  const sink = new UploadSink(file, target, { ownsChunks: body instanceof IncomingMessage });
  target.noteCount(() => sink.receivedBytes);
  try {
    return await pour(body, sink, target);
  } finally {
    // Waits for a write that is under way.
    await file.close();
  }
}

async function pour(body: Readable, sink: UploadSink, pace: UploadPace): Promise<FileDigest | Refusal | typeof CUT> {
  const stop = (refusal: Refusal) => sink.destroy(new UploadStopped(refusal));
  const onClose = () => {
    // Not `complete`: what arrived whole but was not read yet is gone as well.
    if (!body.readableEnded) {
      sink.destroy(body.errored instanceof UploadStopped ? body.errored : new ClientGone());
    }
  };
  const deadline = setTimeout(() => stop(tooLong(pace)), pace.deadlineMillis);
  const rate = setInterval(() => {
    if (sink.isSlowerThan(pace.minBytesPerSecond)) {
      stop(tooSlow(pace));
    }
  }, pace.rateWindowMillis);
  body.once("close", onClose);
  // Not a pipeline: that would close the socket on failure, and with it the way for the reply.
  body.pipe(sink);
  if (body.destroyed) {
    onClose();
  }
  try {
    await finished(sink);
    return sink.digest();
  } catch (error) {
    return outcomeOf(error);
  } finally {
    clearTimeout(deadline);
    clearInterval(rate);
    body.off("close", onClose);
    body.unpipe(sink);
  }
}

class ClientGone extends Error {}

function outcomeOf(error: unknown): Refusal | typeof CUT {
  if (error instanceof ClientGone) {
    return CUT;
  }
  if (error instanceof UploadStopped) {
    return error.refusal;
  }
  throw error;
}

function tooLong({ deadlineMillis }: UploadPace): Refusal {
  return new Refusal(408, "upload_deadline", `The upload did not end within ${deadlineMillis / 1000} s`);
}

function tooSlow({ minBytesPerSecond }: UploadPace): Refusal {
  return new Refusal(408, "upload_too_slow", `The upload came with less than ${minBytesPerSecond} bytes per second`);
}

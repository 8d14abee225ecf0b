import { createHash } from "node:crypto";
import type { ErrorFields } from "@assay/core/app-error";
import type { Sha256Hex } from "@assay/core/units";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import type { ComposedFile } from "../store/composed-file.ts";
import { md5Of, type ObjectStore, type StoredPart } from "./object-store.ts";
import { ObjectStoreError, ObjectStoreErrorCode } from "./object-store-error.ts";

export interface UploadedContent {
  readonly sha256: Sha256Hex;
  readonly content: ComposedFile;
}

export interface UploadProgress {
  /** Upload that an earlier call began for this digest and did not end; null for none. */
  readonly pending: string | null;
  /** Called before the first part goes out, so that a later call can go on. */
  readonly began: (uploadId: string) => Promise<void>;
  /** Called for bytes that the store has taken, or had already. */
  readonly sent?: (bytes: number) => void;
}

/** S3 takes at most 10,000 parts, none but the last shorter than 5 MiB. */
const LEAST_PART_BYTES = 16 * 1024 ** 2;
const MOST_PARTS = 9_000;

/**
 * Uploads a file under its digest; holds one part in memory.
 *
 * What an earlier call sent is not sent again, when it is what our bytes hash to. The object appears when all parts are
 * there and the whole hashes to its digest; the store is then asked for samples of it.
 *
 * @throws ObjectStoreError; CheckpointError `CHECKPOINT_HASH_MISMATCH` when our own bytes are not what they were.
 */
export async function uploadFile(
  store: ObjectStore,
  { sha256, content }: UploadedContent,
  { pending, began, sent }: UploadProgress,
  signal: AbortSignal,
): Promise<void> {
  const known = pending === null ? null : await store.parts(sha256, pending, signal);
  const uploadId = known === null || pending === null ? await store.beginParts(sha256, signal) : pending;
  if (known === null) await began(uploadId);
  const parts: StoredPart[] = [];
  const hash = createHash("sha256");
  for await (const body of partsOf(content, signal)) {
    hash.update(body);
    const number = parts.length + 1;
    const there = known?.get(number);
    const isThere = there !== undefined && there.bytes === body.length && isTagOf(there.etag, body);
    parts.push(isThere ? there : await store.putPart(sha256, { uploadId, number, body }, signal));
    sent?.(body.length);
  }
  const actual = hash.digest("hex");
  if (actual !== sha256) {
    await store.abandonParts(sha256, uploadId, signal);
    throw new CheckpointError(CheckpointErrorCode.HashMismatch, "Digest differs from the manifest", {
      fields: { expected: sha256, actual },
    });
  }
  await store.completeParts(sha256, { uploadId, parts }, signal);
  try {
    await requireSame(store, { sha256, content }, signal);
  } catch (error) {
    await store.remove(sha256, signal);
    throw error;
  }
}

/** Bytes that are looked at, at each of so many places. */
const SAMPLE_BYTES = 1_024;
const SAMPLES = 16;

/**
 * A look at what the store made of the parts: its length, and some bytes at even distances and at the end.
 *
 * Stores exist that take every part and give other bytes back.
 */
async function requireSame(store: ObjectStore, { sha256, content }: UploadedContent, signal: AbortSignal) {
  const bytes = await store.bytes(sha256, signal);
  if (bytes !== content.bytes) throw corrupt({ sha256, expected: content.bytes, bytes });
  const length = Math.min(SAMPLE_BYTES, content.bytes);
  const memory = Buffer.alloc(length);
  const file = content.open();
  try {
    for (let sample = 0; sample <= SAMPLES; sample += 1) {
      const position = Math.floor(((content.bytes - length) * sample) / SAMPLES);
      await file.fill(memory, position);
      const stored = await store.get(sha256, signal, [position, position + length - 1]);
      if (!memory.equals(stored)) throw corrupt({ sha256, position });
    }
  } finally {
    await file.close();
  }
}

function corrupt(fields: ErrorFields): ObjectStoreError {
  const message = "The store did not keep what was uploaded";
  return new ObjectStoreError(ObjectStoreErrorCode.Corrupt, message, { retryable: true, fields });
}

function isTagOf(etag: string, body: Uint8Array): boolean {
  return etag.replaceAll('"', "") === md5Of(body).toString("hex");
}

/** The file in parts, each in the same memory. */
async function* partsOf(content: ComposedFile, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const partBytes = Math.max(LEAST_PART_BYTES, Math.ceil(content.bytes / MOST_PARTS));
  const memory = Buffer.allocUnsafeSlow(Math.min(partBytes, content.bytes));
  const file = content.open();
  try {
    for (let position = 0; position < content.bytes; position += partBytes) {
      signal.throwIfAborted();
      const part = memory.subarray(0, content.bytes - position);
      await file.fill(part, position);
      yield part;
    }
  } finally {
    await file.close();
  }
}

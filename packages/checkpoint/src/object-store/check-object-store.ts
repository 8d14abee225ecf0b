import { createHash, randomUUID } from "node:crypto";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { createHttpClient } from "@assay/runtime/http/client";
import { HttpError } from "@assay/runtime/http/http-error";
import { explained } from "./explain-store-failure.ts";
import { ObjectStore, type StoredPart } from "./object-store.ts";
import { ObjectStoreError, ObjectStoreErrorCode } from "./object-store-error.ts";
import type { ObjectStoreOptions } from "./object-store-options.ts";

export const CHECK_STEPS = ["put", "get", "range", "presigned", "delete", "parts"] as const;
export type CheckStep = (typeof CHECK_STEPS)[number];

/** What one step came to; `skipped` when it could not be tried, because one before it failed. */
export interface CheckedStep {
  readonly step: CheckStep;
  readonly result: "ok" | "failed" | "skipped";
  readonly millis: number;
}

export interface StoreCheck {
  readonly steps: readonly CheckedStep[];
  readonly problems: readonly ObjectStoreError[];
}

export interface StoreCheckOptions {
  /** Lifetime of the signed URL. */
  readonly presignSeconds: number;
}

/**
 * Puts a small object, gets it, gets a range of it, gets that by a signed URL without the key, and deletes it; then the
 * same with one in two parts, as large files go.
 *
 * Goes on after a step that failed, as far as there is an object, so that every permission that is missing is told.
 */
export async function checkObjectStore(
  options: ObjectStoreOptions,
  { presignSeconds }: StoreCheckOptions,
  signal: AbortSignal,
): Promise<StoreCheck> {
  using store = new ObjectStore(options);
  const name = `check-${randomUUID()}`;
  const probe = bytesOf(name, PROBE_BYTES);
  const middle = probe.subarray(100, 300);
  const actions: Readonly<Record<CheckStep, () => Promise<void>>> = {
    put: () => store.put(name, probe, signal),
    get: async () => requireEqual(await store.get(name, signal), probe, "get"),
    range: async () => requireEqual(await store.get(name, signal, [100, 299]), middle, "get a range"),
    presigned: async () => {
      const url = await store.presign(name, presignSeconds);
      requireEqual(await fetchSigned(url, options, signal), middle, "get by signed URL");
    },
    delete: () => store.remove(name, signal),
    parts: () => tryParts(store, `${name}-parts`, signal),
  };
  const steps: CheckedStep[] = [];
  const problems: ObjectStoreError[] = [];
  for (const step of CHECK_STEPS) {
    const started = performance.now();
    const isSkipped = NEEDS[step].some((each) => steps.find((done) => done.step === each)?.result !== "ok");
    const problem = isSkipped ? null : await problemOf(actions[step], options, signal);
    if (problem !== null) problems.push(problem);
    const result = isSkipped ? "skipped" : problem === null ? "ok" : "failed";
    steps.push({ step, result, millis: Math.round(performance.now() - started) });
  }
  return { steps, problems };
}

const PROBE_BYTES = 4_096;
/** The least that a part may have which is not the last. */
const PART_BYTES = 5 * 1024 ** 2;

const NEEDS: Readonly<Record<CheckStep, readonly CheckStep[]>> = {
  put: [],
  get: ["put"],
  range: ["put"],
  presigned: ["put"],
  delete: ["put"],
  // What could not be deleted would stay there.
  parts: ["put", "delete"],
};

async function tryParts(store: ObjectStore, name: string, signal: AbortSignal): Promise<void> {
  const probe = bytesOf(name, PART_BYTES + PROBE_BYTES);
  const uploadId = await store.beginParts(name, signal);
  const bodies = [probe.subarray(0, PART_BYTES), probe.subarray(PART_BYTES)];
  const parts: StoredPart[] = [];
  for (const [index, body] of bodies.entries()) {
    parts.push(await store.putPart(name, { uploadId, number: index + 1, body }, signal));
  }
  await store.completeParts(name, { uploadId, parts }, signal);
  try {
    const [first, last] = [PART_BYTES - 100, PART_BYTES + 99];
    const across = await store.get(name, signal, [first, last]);
    requireEqual(across, probe.subarray(first, last + 1), "get a range across parts");
  } finally {
    await store.remove(name, signal);
  }
}

/** Bytes that differ by name and never repeat a block. */
function bytesOf(name: string, length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(name).digest();
}

async function problemOf(
  action: () => Promise<void>,
  options: ObjectStoreOptions,
  signal: AbortSignal,
): Promise<ObjectStoreError | null> {
  try {
    await action();
    return null;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ObjectStoreError)) throw error;
    return (await isOtherStyle(error, options, signal)) ? otherStyle(options) : error;
  }
}

/** Failures that the bucket's place in the URL may be the reason of. */
const STYLE_CODES: ReadonlySet<string> = new Set([
  ObjectStoreErrorCode.Unreachable,
  ObjectStoreErrorCode.Tls,
  ObjectStoreErrorCode.Bucket,
  ObjectStoreErrorCode.SecretKey,
  ObjectStoreErrorCode.Denied,
  ObjectStoreErrorCode.Failed,
]);

/** Whether the bucket is found where the other style looks for it. */
async function isOtherStyle(
  { code }: ObjectStoreError,
  options: ObjectStoreOptions,
  signal: AbortSignal,
): Promise<boolean> {
  if (!STYLE_CODES.has(code) || !(await hasName(options))) return false;
  using other = new ObjectStore({ ...options, pathStyle: !options.pathStyle });
  try {
    const name = `check-${randomUUID()}`;
    await other.put(name, new Uint8Array([1]), signal);
    await other.remove(name, signal);
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

/** Whether a bucket could stand in front of the endpoint's name, and that name itself is known. */
async function hasName({ endpoint }: ObjectStoreOptions): Promise<boolean> {
  if (endpoint === "") return true;
  const { hostname } = new URL(endpoint);
  if (hostname.startsWith("[") || isIP(hostname) !== 0) return false;
  try {
    await lookup(hostname);
    return true;
  } catch {
    return false;
  }
}

function otherStyle({ pathStyle }: ObjectStoreOptions): ObjectStoreError {
  const message = `The store finds the bucket with path_style: ${!pathStyle}`;
  const fields = { setting: "object_store.path_style", expected: !pathStyle };
  return new ObjectStoreError(ObjectStoreErrorCode.PathStyle, message, { retryable: false, fields });
}

async function fetchSigned(url: string, options: ObjectStoreOptions, signal: AbortSignal): Promise<Uint8Array> {
  try {
    const client = createHttpClient({ userAgent: "assay" });
    return await client.get(url, { headers: { range: "bytes=100-299" }, signal }).buffer();
  } catch (error) {
    signal.throwIfAborted();
    throw explained(error instanceof HttpError ? asAnswered(error) : error, "get", options);
  }
}

function asAnswered({ message, fields }: HttpError): Error {
  const { status, reason } = fields;
  return Object.assign(new Error(message), { code: reason, $metadata: { httpStatusCode: status } });
}

function requireEqual(actual: Uint8Array, expected: Uint8Array, operation: string): void {
  if (Buffer.compare(actual, expected) === 0) return;
  throw new ObjectStoreError(ObjectStoreErrorCode.Corrupt, "The store gave other bytes than were asked for", {
    fields: { operation, expectedBytes: expected.length, bytes: actual.length },
  });
}

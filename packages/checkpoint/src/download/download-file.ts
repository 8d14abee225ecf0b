import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Sha256Hex } from "@assay/core/units";
import { backoffMillis } from "@assay/runtime/time/retry";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { sha256File } from "../digest.ts";
import { ensureFreeSpace } from "../disk-space.ts";
import { type FetchResult, fetchPart } from "./fetch-part.ts";
import { isNetworkError, type OpenOptions, type Refused } from "./open-response.ts";
import { PartialFile } from "./partial-file.ts";

export interface DownloadRequest {
  readonly url: string;
  /** Where the complete file appears, by rename. Unfinished bytes lie beside it and are continued by a later call. */
  readonly path: string;
  readonly maxBytes: number;
  /** If known, bytes that hash to something else are fetched once more before anybody is blamed for them. */
  readonly expectedSha256?: Sha256Hex;
  /** Called for each request: one that is signed is good once. */
  readonly headers?: () => Readonly<Record<string, string>>;
}

export interface DownloadOptions extends OpenOptions {
  /** Time for the whole download, all attempts together. */
  readonly deadlineMillis: number;
  /** Requests that may fail: bring no further, or too slowly. */
  readonly attempts: number;
  /** First pause between two requests; doubles up to 30 s. The other side may ask for as much. */
  readonly retryMillis: number;
  /** Least rate over half a minute; none when absent. */
  readonly minBytesPerSecond?: number;
  /** Free space to leave on the volume; 0 when absent. */
  readonly minFreeBytes?: number;
}

/** A refusal is the fault of whoever gave the URL. */
export type Download =
  | {
      readonly kind: "downloaded";
      readonly bytes: number;
      /** Requests made. */
      readonly attempts: number;
      readonly resumed: boolean;
    }
  | Refused;

/**
 * Fetches a stranger's file: continues after interruptions, never takes more than `maxBytes`, never unpacks anything,
 * never connects inside our own network, ends at its deadline.
 *
 * One call at a time may use a `path`. What the bytes are worth is for inspection to say.
 *
 * @throws CheckpointError `CHECKPOINT_DOWNLOAD_FAILED` when `attempts` requests failed and
 *   `CHECKPOINT_DOWNLOAD_DEADLINE` at the deadline, both retryable: the network's fault until proven otherwise.
 * @see packages/docs/protocol.md §6.3
 */
export async function downloadFile(
  request: DownloadRequest,
  options: DownloadOptions,
  signal?: AbortSignal,
): Promise<Download> {
  await mkdir(dirname(request.path), { recursive: true });
  await ensureFreeSpace(dirname(request.path), request.maxBytes, options.minFreeBytes);
  const deadline = AbortSignal.timeout(options.deadlineMillis);
  const ending = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  try {
    return await attemptRepeatedly(request, options, ending);
  } catch (error) {
    if (signal?.aborted === true || !deadline.aborted) throw error;
    throw new CheckpointError(CheckpointErrorCode.DownloadDeadline, "Download did not end before its deadline", {
      retryable: true,
      fields: { host: hostOf(request.url), deadlineMillis: options.deadlineMillis },
      cause: error,
    });
  }
}

/**
 * Bytes that came to stay are no failure, whatever ended them: the deadline is the limit for a line that keeps breaking.
 * Being too slow is one, so that a server that trickles does not hold its place until then.
 */
async function attemptRepeatedly(
  request: DownloadRequest,
  options: DownloadOptions,
  signal: AbortSignal,
): Promise<Download> {
  const partial = new PartialFile(request.path, request.url);
  const { url, headers = () => ({}), maxBytes, expectedSha256 } = request;
  const wanted = { url, maxBytes, minBytesPerSecond: options.minBytesPerSecond ?? 0 };
  const doubts = new Doubts(partial, expectedSha256);
  let detail = "";
  for (let requests = 1, failures = 0; failures < options.attempts; requests += 1) {
    const { bytes: before } = await partial.progress();
    const part = { ...wanted, headers: headers() };
    const result = await fetchOnce(() => fetchPart(part, partial, options, signal), signal);
    const interruption = await doubts.about(result, signal);
    if (interruption === null && result.kind === "refused") {
      await partial.discard();
      return result;
    }
    if (interruption === null) {
      const bytes = await partial.bytes();
      await partial.finish();
      const resumed = result.kind === "complete" && result.sha256 === null;
      return { kind: "downloaded", bytes, attempts: requests, resumed };
    }
    detail = interruption.detail;
    const { bytes: after } = await partial.progress();
    if (after <= before || interruption.isTooSlow === true) failures += 1;
    await pause(Math.max(1, failures), interruption.retryAfterMillis ?? 0, options, signal);
  }
  throw new CheckpointError(CheckpointErrorCode.DownloadFailed, "Download was interrupted too often", {
    retryable: true,
    fields: { host: hostOf(url), attempts: options.attempts, detail },
  });
}

type Interruption = Omit<Extract<FetchResult, { readonly kind: "interrupted" }>, "kind">;

async function pause(
  failures: number,
  retryAfterMillis: number,
  { attempts, retryMillis }: DownloadOptions,
  signal: AbortSignal,
): Promise<void> {
  if (failures >= attempts) return;
  const millis = Math.max(retryAfterMillis, backoffMillis(failures, { baseMillis: retryMillis }));
  await setTimeout(millis, undefined, { signal });
}

/** What a server, or somebody on the way, does to an answer once is not held against it; twice is what it serves. */
class Doubts {
  readonly #partial: PartialFile;
  readonly #expected: Sha256Hex | undefined;
  #hasSeenWrongBytes = false;
  #hasSeenEncoding = false;

  constructor(partial: PartialFile, expected: Sha256Hex | undefined) {
    this.#partial = partial;
    this.#expected = expected;
  }

  /** Why to ask again; null when the result stands. Wrong bytes that stand are for inspection to name. */
  async about(result: FetchResult, signal: AbortSignal): Promise<Interruption | null> {
    if (result.kind === "interrupted") return result;
    if (result.kind === "complete") return await this.#aboutBytes(result.sha256, signal);
    if (result.reason !== "encoding" || this.#hasSeenEncoding) return null;
    this.#hasSeenEncoding = true;
    return { detail: result.detail };
  }

  async #aboutBytes(sha256: Sha256Hex | null, signal: AbortSignal): Promise<Interruption | null> {
    if (this.#expected === undefined) return null;
    const actual = sha256 ?? (await sha256File(this.#partial.path, signal)).sha256;
    const cameInOnePiece = sha256 !== null;
    if (actual === this.#expected || (cameInOnePiece && this.#hasSeenWrongBytes)) return null;
    this.#hasSeenWrongBytes ||= cameInOnePiece;
    await this.#partial.discard();
    return { detail: "the bytes do not hash to the expected digest" };
  }
}

/** A network failure is an interruption; a full disk and anything else are ours and thrown. */
async function fetchOnce(fetch: () => Promise<FetchResult>, signal: AbortSignal): Promise<FetchResult> {
  try {
    return await fetch();
  } catch (error) {
    signal.throwIfAborted();
    if (!isNetworkError(error)) throw error;
    return { kind: "interrupted", detail: error.message };
  }
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? "";
}

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
  /** If known, a continued download that hashes to something else starts over instead of blaming the other side. */
  readonly expectedSha256?: Sha256Hex;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface DownloadOptions extends OpenOptions {
  /** Time for the whole download, all attempts together. */
  readonly deadlineMillis: number;
  readonly attempts: number;
  /** First pause between two attempts; doubles up to 30 s. */
  readonly retryMillis: number;
  /** Free space to leave on the volume; 0 when absent. */
  readonly minFreeBytes?: number;
}

/** A refusal is the fault of whoever gave the URL. */
export type Download =
  | { readonly kind: "downloaded"; readonly bytes: number; readonly attempts: number; readonly resumed: boolean }
  | Refused;

/**
 * Fetches a stranger's file: continues after interruptions, never takes more than `maxBytes`, never connects inside our
 * own network, ends at its deadline.
 *
 * One call at a time may use a `path`. What the bytes are worth is for inspection to say.
 *
 * @throws CheckpointError `CHECKPOINT_DOWNLOAD_FAILED` when every attempt was interrupted and
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

async function attemptRepeatedly(
  request: DownloadRequest,
  options: DownloadOptions,
  signal: AbortSignal,
): Promise<Download> {
  const partial = new PartialFile(request.path, request.url);
  const { url, headers = {}, maxBytes, expectedSha256 } = request;
  let detail = "";
  for (let attempt = 1; attempt <= options.attempts; attempt += 1) {
    if (attempt > 1) {
      const pause = backoffMillis(attempt - 1, { baseMillis: options.retryMillis });
      await setTimeout(pause, undefined, { signal });
    }
    const result = await fetchOnce(() => fetchPart({ url, headers, maxBytes }, partial, options, signal), signal);
    if (result.kind === "refused") {
      await partial.discard();
      return result;
    }
    if (result.kind === "complete" && (await isWorthKeeping(result.resumed, partial, expectedSha256, signal))) {
      const bytes = await partial.bytes();
      await partial.finish();
      return { kind: "downloaded", bytes, attempts: attempt, resumed: result.resumed };
    }
    detail = result.kind === "interrupted" ? result.detail : "continued bytes do not hash to the expected digest";
  }
  throw new CheckpointError(CheckpointErrorCode.DownloadFailed, "Download was interrupted too often", {
    retryable: true,
    fields: { host: hostOf(url), attempts: options.attempts, detail },
  });
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

async function isWorthKeeping(
  resumed: boolean,
  partial: PartialFile,
  expected: Sha256Hex | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (!resumed || expected === undefined) return true;
  if ((await sha256File(partial.path, signal)).sha256 === expected) return true;
  await partial.discard();
  return false;
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? "";
}

import { mkdir } from "node:fs/promises";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type ChunkedFile, type ChunkList, parseChunkList } from "@assay/core/chunk-list";
import { backoffMillis } from "@assay/runtime/time/retry";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { ensureFreeSpace } from "../disk-space.ts";
import type { ComposedFile } from "../store/composed-file.ts";
import { ChunkFile } from "./chunk-file.ts";
import type { DownloadOptions } from "./download-file.ts";
import { type ChunkResult, fetchChunk } from "./fetch-chunk.ts";
import { isNetworkError, isPassingStatus, openResponse } from "./open-response.ts";
import { readBody } from "./read-body.ts";

export interface ChunkClientOptions extends Omit<DownloadOptions, "agents" | "minBytesPerSecond"> {
  /** Base URL of a model server. */
  readonly serverUrl: string;
  /** Headers of a request for this path: a validator signs each anew. */
  readonly headersFor: (path: string) => Readonly<Record<string, string>>;
  /** Connections of plain HTTP; the client's own unless given. */
  readonly httpAgent?: HttpAgent;
  /** Chunks under way at a time; each takes a chunk of memory. */
  readonly parallel: number;
}

export interface ChunkedDownload {
  /** Where the complete file appears, by rename. */
  readonly path: string;
  readonly file: ChunkedFile;
  readonly chunkBytes: number;
  /** What may have some of the chunks: the same file of another version. Files that are missing are passed over. */
  readonly older?: readonly (string | ComposedFile)[];
  /** Called with the bytes of each chunk that was fetched. */
  readonly onFetched?: (bytes: number) => void;
}

/** Bytes of the file by where they came from. */
export interface ChunkedDownloadResult {
  readonly fetchedBytes: number;
  /** From older files, or left by a download that was cut. */
  readonly reusedBytes: number;
}

/**
 * Downloads files of a model server chunk by chunk, and only the chunks that are not here yet.
 *
 * Nothing is believed: a chunk is written when it hashes to its digest, a file gets its name when it hashes to its own.
 * What was right before a cut is kept, within this process to the byte and after its end to the chunk.
 */
export class ChunkClient implements Disposable {
  readonly #options: ChunkClientOptions & { readonly agents: { readonly http: HttpAgent; readonly https: HttpsAgent } };

  constructor(options: ChunkClientOptions) {
    const agents = {
      http: options.httpAgent ?? new HttpAgent({ keepAlive: true }),
      https: new HttpsAgent({ keepAlive: true }),
    };
    this.#options = { ...options, agents };
  }

  /** Closes connections that are kept open. */
  [Symbol.dispose](): void {
    this.#options.agents.http.destroy();
    this.#options.agents.https.destroy();
  }

  /**
   * `GET /model/manifest`.
   *
   * @throws CheckpointError `CHECKPOINT_DOWNLOAD_REFUSED`, retryable when it is the phase or a hashing under way.
   */
  async list(signal: AbortSignal): Promise<ChunkList> {
    const { serverUrl, headersFor } = this.#options;
    const headers = headersFor(LIST_PATH);
    try {
      const opened = await openResponse(`${serverUrl}${LIST_PATH}`, headers, this.#options, signal);
      if (opened.kind === "refused") throw refused(opened.detail, { retryable: false });
      try {
        const { statusCode } = opened.response;
        const text = await textOf(opened.stream);
        if (statusCode !== 200)
          throw refused(text.slice(0, 500), { retryable: isPassingStatus(statusCode), statusCode });
        const list = parseChunkList(jsonOf(text));
        if (list === null) throw refused("The manifest does not add up", { retryable: true, statusCode });
        return list;
      } finally {
        opened.stream.destroy();
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!isNetworkError(error)) throw error;
      throw refused("The model server does not answer", { retryable: true, cause: error });
    }
  }

  /**
   * Fetches one file. One call at a time may use a `path`.
   *
   * @throws CheckpointError `CHECKPOINT_DOWNLOAD_FAILED` when a chunk used up its attempts (requests that brought it no
   *   further), `CHECKPOINT_DOWNLOAD_REFUSED` when the server will not give it: read the manifest again;
   *   `CHECKPOINT_DOWNLOAD_DEADLINE`. All leave what is right beside `path` for the next call.
   */
  async fetch(wanted: ChunkedDownload, signal: AbortSignal): Promise<ChunkedDownloadResult> {
    const { deadlineMillis, minFreeBytes, serverUrl } = this.#options;
    await mkdir(dirname(wanted.path), { recursive: true });
    await ensureFreeSpace(dirname(wanted.path), wanted.file.bytes, minFreeBytes);
    const deadline = AbortSignal.timeout(deadlineMillis);
    try {
      return await this.#assemble(wanted, AbortSignal.any([signal, deadline]));
    } catch (error) {
      if (signal.aborted || !deadline.aborted) throw error;
      throw new CheckpointError(CheckpointErrorCode.DownloadDeadline, "Download did not end before its deadline", {
        retryable: true,
        fields: { serverUrl, deadlineMillis },
        cause: error,
      });
    }
  }

  async #assemble(wanted: ChunkedDownload, signal: AbortSignal) {
    const { path, file, chunkBytes, older = [] } = wanted;
    const target = await ChunkFile.open(path, file, chunkBytes);
    try {
      let missing = await target.missing(signal);
      for (const each of older) missing = missing.length === 0 ? missing : await target.copyFrom(each, missing, signal);
      await this.#fetchAll(target, wanted, missing, signal);
      if (!(await target.finish(signal))) {
        throw refused("The chunks do not make up the file that the manifest names", { retryable: true });
      }
      const fetchedBytes = missing.reduce((sum, index) => sum + target.bytesOf(index), 0);
      return { fetchedBytes, reusedBytes: file.bytes - fetchedBytes };
    } finally {
      await target.close();
    }
  }

  /** Several at a time; the first that fails ends the others. */
  async #fetchAll(
    target: ChunkFile,
    { file, onFetched }: ChunkedDownload,
    missing: readonly number[],
    signal: AbortSignal,
  ) {
    const failing = new AbortController();
    const ending = AbortSignal.any([signal, failing.signal]);
    const queue = missing.values();
    const work = async (): Promise<void> => {
      let memory: Buffer | null = null;
      for (const index of queue) {
        memory ??= Buffer.allocUnsafeSlow(target.bytesOf(0));
        const chunk = memory.subarray(0, target.bytesOf(index));
        await this.#fetchOne(file.chunks[index] ?? "", chunk, ending);
        await target.write(index, chunk);
        onFetched?.(chunk.length);
      }
    };
    const workers = Array.from({ length: Math.min(this.#options.parallel, missing.length) }, () =>
      work().catch((error: unknown) => {
        failing.abort(error);
        throw error;
      }),
    );
    await Promise.allSettled(workers);
    await Promise.all(workers);
  }

  async #fetchOne(sha256: string, memory: Uint8Array, signal: AbortSignal): Promise<void> {
    const { serverUrl, headersFor, attempts, retryMillis } = this.#options;
    const path = `/model/chunks/${sha256}`;
    let received = 0;
    for (let failures = 0; failures < attempts; ) {
      const wanted = { url: `${serverUrl}${path}`, sha256, headers: headersFor(path) };
      const result: ChunkResult = await fetchChunk(wanted, memory, received, this.#options, signal);
      if (result.kind === "complete") return;
      if (result.kind === "refused") throw refused(result.detail, { retryable: true });
      // Bytes that came are no failure, whatever ended them; the deadline is the limit for a server that trickles.
      if (result.received <= received) {
        failures += 1;
        const millis = Math.max(result.retryAfterMillis ?? 0, backoffMillis(failures, { baseMillis: retryMillis }));
        await setTimeout(millis, undefined, { signal });
      }
      received = result.received;
    }
    throw new CheckpointError(CheckpointErrorCode.DownloadFailed, "A chunk was interrupted too often", {
      retryable: true,
      fields: { serverUrl, sha256, attempts },
    });
  }
}

const LIST_PATH = "/model/manifest";
/** Chunks of 4 MiB of a model of several terabytes. */
const MAX_LIST_BYTES = 64 << 20;

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const bytes = await readBody(body, MAX_LIST_BYTES);
  if (bytes === null) throw refused("The manifest is too long", { retryable: false });
  return Buffer.from(bytes).toString("utf8");
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function refused(
  detail: string,
  {
    retryable,
    statusCode,
    cause,
  }: { readonly retryable: boolean; readonly statusCode?: number; readonly cause?: unknown },
): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.DownloadRefused, "The model server does not give what was asked for", {
    retryable,
    fields: { detail, status: statusCode },
    cause,
  });
}

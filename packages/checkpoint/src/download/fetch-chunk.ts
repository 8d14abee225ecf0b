import { createHash } from "node:crypto";
import type { Sha256Hex } from "@assay/core/units";
import {
  isNetworkError,
  isPassingStatus,
  type OpenedResponse,
  type OpenOptions,
  openResponse,
  retryAfterMillis,
} from "./open-response.ts";

export interface WantedChunk {
  readonly url: string;
  readonly sha256: Sha256Hex;
  readonly headers: Readonly<Record<string, string>>;
}

/** What one request for a chunk achieved. `received` bytes of the memory are good to go on from. */
export type ChunkResult =
  | { readonly kind: "complete" }
  | {
      readonly kind: "interrupted";
      readonly received: number;
      readonly detail: string;
      /** What the other side asks for before the next request. */
      readonly retryAfterMillis?: number;
    }
  /** An answer that asking again will not change. */
  | { readonly kind: "refused"; readonly detail: string };

/**
 * One request for what is missing of a chunk. The bytes are right or the result is not `complete`.
 *
 * A continuation is believed only if it begins where we stopped, under the chunk's own tag; a whole answer to a ranged
 * request starts over; a body that is shorter or longer than the chunk, or does not hash to it, is thrown away.
 *
 * @param memory exactly as long as the chunk.
 * @param received bytes at its beginning that an earlier request left.
 */
export async function fetchChunk(
  { url, sha256, headers }: WantedChunk,
  memory: Uint8Array,
  received: number,
  options: OpenOptions,
  signal: AbortSignal,
): Promise<ChunkResult> {
  const tag = `"${sha256}"`;
  const range = received > 0 ? { range: `bytes=${received}-`, "if-range": tag } : {};
  const filled = new Filling(memory, received);
  try {
    const opened = await openResponse(url, { ...headers, ...range }, options, signal);
    if (opened.kind === "refused") return { kind: "refused", detail: opened.detail };
    try {
      const begin = beginOf(opened.response, { tag, received, bytes: memory.length });
      if (typeof begin !== "number") return begin;
      filled.bytes = begin;
      await filled.take(opened.stream);
    } finally {
      opened.stream.destroy();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!isNetworkError(error)) throw error;
    return { kind: "interrupted", received: filled.bytes, detail: error.message };
  }
  return judge(filled, sha256);
}

/** Memory that a body is written into, and never past its end. */
class Filling {
  readonly memory: Uint8Array;
  bytes: number;
  isOverfull = false;

  constructor(memory: Uint8Array, bytes: number) {
    this.memory = memory;
    this.bytes = bytes;
  }

  async take(body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const piece of body) {
      if (piece.length > this.memory.length - this.bytes) {
        this.isOverfull = true;
        return;
      }
      this.memory.set(piece, this.bytes);
      this.bytes += piece.length;
    }
  }
}

function judge({ memory, bytes, isOverfull }: Filling, sha256: Sha256Hex): ChunkResult {
  if (isOverfull) return startOver("more bytes came than the chunk has");
  if (bytes < memory.length) return { kind: "interrupted", received: bytes, detail: "the body ended early" };
  const actual = createHash("sha256").update(memory).digest("hex");
  return actual === sha256 ? { kind: "complete" } : startOver("the bytes do not hash to the chunk's digest");
}

interface Expected {
  readonly tag: string;
  readonly received: number;
  readonly bytes: number;
}

/** Where in the chunk the body begins, or why it is not read. */
function beginOf(response: OpenedResponse["response"], expected: Expected): number | ChunkResult {
  const { statusCode, headers } = response;
  if ((headers["content-encoding"] ?? "identity") !== "identity") return startOver("a content encoding was applied");
  if (statusCode === 200) return isWholeChunk(headers, expected) ? 0 : startOver("the answer is another chunk");
  if (statusCode === 206) {
    return isContinuation(headers, expected) ? expected.received : startOver("the answer is another range");
  }
  if (statusCode === 416) return startOver("the range was refused");
  const detail = `status ${statusCode}`;
  return isPassingStatus(statusCode)
    ? { kind: "interrupted", received: expected.received, detail, retryAfterMillis: retryAfterMillis(response) }
    : { kind: "refused", detail };
}

type Headers = OpenedResponse["response"]["headers"];

function isWholeChunk(headers: Headers, { tag, bytes }: Expected): boolean {
  return (headers.etag ?? tag) === tag && Number(headers["content-length"] ?? bytes) === bytes;
}

function isContinuation(headers: Headers, { tag, received, bytes }: Expected): boolean {
  const range = `bytes ${received}-${bytes - 1}/${bytes}`;
  return received > 0 && headers.etag === tag && headers["content-range"] === range;
}

function startOver(detail: string): ChunkResult {
  return { kind: "interrupted", received: 0, detail };
}

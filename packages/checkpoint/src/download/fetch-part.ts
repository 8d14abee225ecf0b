import type { Sha256Hex } from "@assay/core/units";
import { takeInto } from "./intake.ts";
import {
  isPassingStatus,
  type OpenedResponse,
  type OpenOptions,
  openResponse,
  type Refused,
  retryAfterMillis,
} from "./open-response.ts";
import type { PartialFile, PartialSource, Progress } from "./partial-file.ts";

export interface FetchRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxBytes: number;
  /** Least rate over half a minute; 0 for none. */
  readonly minBytesPerSecond: number;
}

/** What one request achieved. After `interrupted` another may succeed; what was received is kept if it can be. */
export type FetchResult =
  /** `sha256` is null of a file that was put together from several answers. */
  | { readonly kind: "complete"; readonly sha256: Sha256Hex | null }
  | Refused
  | {
      readonly kind: "interrupted";
      readonly detail: string;
      readonly isTooSlow?: boolean;
      /** What the other side asks for before the next request. */
      readonly retryAfterMillis?: number;
    };

/**
 * One request for what is missing of a file.
 *
 * Continues only with `If-Range` and a strong entity tag, and believes a partial answer only if it begins where we
 * stopped, under the same tag and total. A whole answer to a ranged request starts over; so does a refused range,
 * which is never taken for "complete".
 */
export async function fetchPart(
  request: FetchRequest,
  partial: PartialFile,
  options: OpenOptions,
  signal: AbortSignal,
): Promise<FetchResult> {
  const progress = await partial.progress();
  if (progress.total !== null && progress.bytes === progress.total) return { kind: "complete", sha256: null };
  const opened = await openResponse(request.url, { ...request.headers, ...rangeHeaders(progress) }, options, signal);
  if (opened.kind === "refused") return opened;
  try {
    const answer = judgeAnswer(opened, progress, request.maxBytes);
    if (answer.kind === "refused") return answer;
    if (answer.kind === "interrupted") {
      if (answer.startOver) await partial.discard();
      return { kind: "interrupted", detail: answer.detail, retryAfterMillis: retryAfterMillis(opened.response) };
    }
    return await receive(opened, answer, { ...request, partial });
  } finally {
    opened.stream.destroy();
  }
}

interface PartRequest extends FetchRequest {
  readonly partial: PartialFile;
}

type Answer =
  | { readonly kind: "body"; readonly offset: number; readonly source: PartialSource }
  | { readonly kind: "interrupted"; readonly detail: string; readonly startOver: boolean }
  | Refused;

function rangeHeaders({ bytes, etag }: Progress): Readonly<Record<string, string>> {
  return bytes > 0 && etag !== null ? { range: `bytes=${bytes}-`, "if-range": etag } : {};
}

function judgeAnswer({ response }: OpenedResponse, progress: Progress, maxBytes: number): Answer {
  const { statusCode, headers } = response;
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") return { kind: "refused", reason: "encoding", detail: "a content encoding was applied" };
  if (statusCode === 200) return wholeBody(headers, maxBytes);
  if (statusCode === 206 && progress.bytes > 0) return continuation(headers, progress);
  if (statusCode === 416) return { kind: "interrupted", detail: "range was refused", startOver: true };
  if (isPassingStatus(statusCode)) {
    return { kind: "interrupted", detail: `status ${statusCode}`, startOver: false };
  }
  return { kind: "refused", reason: "http_status", detail: `status ${statusCode}` };
}

type Headers = OpenedResponse["response"]["headers"];

function wholeBody(headers: Headers, maxBytes: number): Answer {
  const length = headers["content-length"];
  const total = length === undefined ? null : Number(length);
  if (total !== null && total > maxBytes) return tooLarge(`${total} bytes announced`, maxBytes);
  return { kind: "body", offset: 0, source: { etag: strongTag(headers), total } };
}

function continuation(headers: Headers, progress: Progress): Answer {
  const [, begin, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers["content-range"] ?? "") ?? [];
  const whole = total === undefined || total === "*" ? null : Number(total);
  const etag = strongTag(headers);
  const isSameFile = etag === progress.etag && (whole === progress.total || whole === null || progress.total === null);
  if (Number(begin) !== progress.bytes || !isSameFile) {
    return { kind: "interrupted", detail: "partial answer belongs to another file", startOver: true };
  }
  return { kind: "body", offset: progress.bytes, source: progress };
}

function strongTag({ etag }: Headers): string | null {
  return etag !== undefined && /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : null;
}

async function receive(
  opened: OpenedResponse,
  { offset, source }: Extract<Answer, { readonly kind: "body" }>,
  { partial, maxBytes, minBytesPerSecond }: PartRequest,
): Promise<FetchResult> {
  if (offset === 0) await partial.restart(source);
  const limits = { maxBytes: maxBytes - offset, minBytesPerSecond };
  const taken = await takeInto(partial.path, offset === 0 ? "w" : "a", opened.stream, limits);
  if (taken.kind === "too_slow") {
    return { kind: "interrupted", detail: `fewer than ${minBytesPerSecond} bytes a second came`, isTooSlow: true };
  }
  if (taken.kind === "too_long") {
    await partial.discard();
    return tooLarge("more bytes came", maxBytes);
  }
  return await judgeLength(offset > 0 ? null : taken.sha256, source, partial);
}

async function judgeLength(
  sha256: Sha256Hex | null,
  { total }: PartialSource,
  partial: PartialFile,
): Promise<FetchResult> {
  const bytes = await partial.bytes();
  if (total === null || bytes === total) return { kind: "complete", sha256 };
  if (bytes > total) await partial.discard();
  return { kind: "interrupted", detail: `${bytes} bytes came, ${total} were announced` };
}

function tooLarge(what: string, maxBytes: number): Refused {
  return { kind: "refused", reason: "too_large", detail: `${what}, at most ${maxBytes} are possible` };
}

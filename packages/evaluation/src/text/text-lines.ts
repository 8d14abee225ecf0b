import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { FileDigest } from "@assay/checkpoint/digest";

/** Why a line of a JSON-lines file has no text for us. */
export type BadLineReason = "blank" | "too_long" | "not_utf8" | "not_json" | "no_text" | "empty_text";

export interface TextLines {
  /** The `text` field of one line. */
  readonly onText: (text: string) => void;
  readonly onBadLine: (reason: BadLineReason) => void;
  /** After every piece of the file and now and then within one; `bytes` of the file are read by then. */
  readonly onPause: (bytes: number) => void;
}

/** A longer line is skipped, and never held in memory. */
const MAX_LINE_BYTES = 16 << 20;

/**
 * Reads a file of JSON lines piece by piece. Only a line feed ends a line: a text may hold any other separator.
 *
 * Other work of the process gets its turn at least every {@link PAUSE_MILLIS}, and an abort is noticed then.
 *
 * @returns the digest of the bytes that were read.
 */
export async function readTextLines(path: string, lines: TextLines, signal: AbortSignal): Promise<FileDigest> {
  const hash = createHash("sha256");
  const line = new PendingLine();
  let bytes = 0;
  let pausedAt = performance.now();
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    let begin = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, begin)) {
      line.add(chunk.subarray(begin, end));
      report(line.take(), lines);
      begin = end + 1;
      if (performance.now() - pausedAt < PAUSE_MILLIS) continue;
      await setImmediate();
      signal.throwIfAborted();
      lines.onPause(bytes + begin);
      pausedAt = performance.now();
    }
    line.add(chunk.subarray(begin));
    bytes += chunk.length;
    signal.throwIfAborted();
    lines.onPause(bytes);
  }
  if (line.begun) report(line.take(), lines);
  return { sha256: hash.digest("hex"), bytes };
}

const LINE_FEED = 0x0a;
const CHUNK_BYTES = 256 << 10;
const PAUSE_MILLIS = 20;

/** The line that is being read: its pieces, or nothing of it once it is too long. */
class PendingLine {
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** Whether anything of the line was read. */
  get begun(): boolean {
    return this.#bytes > 0;
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > MAX_LINE_BYTES) this.#pieces = [];
    else this.#pieces.push(piece);
  }

  /** The line, or null if it was too long; the next line begins. */
  take(): Buffer | null {
    const line = this.#bytes > MAX_LINE_BYTES ? null : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    return line;
  }
}

function report(line: Buffer | null, { onText, onBadLine }: TextLines): void {
  const parsed = line === null ? ({ bad: "too_long" } as const) : parseLine(line);
  if ("bad" in parsed) onBadLine(parsed.bad);
  else onText(parsed.text);
}

function parseLine(bytes: Buffer): { readonly text: string } | { readonly bad: BadLineReason } {
  const line = decode(bytes);
  if (line === null) return { bad: "not_utf8" };
  if (line.trim() === "") return { bad: "blank" };
  const json = parseJson(line);
  if (json === undefined) return { bad: "not_json" };
  if (typeof json !== "object" || json === null || !("text" in json) || typeof json.text !== "string") {
    return { bad: "no_text" };
  }
  if (!json.text.isWellFormed()) return { bad: "not_utf8" };
  return json.text === "" ? { bad: "empty_text" } : { text: json.text };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function decode(bytes: Buffer): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

/** Undefined for what is not JSON; no JSON parses to undefined. */
function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";

/** What a file server does wrong in one answer. */
export type AnswerFault =
  /** The connection ends after so many bytes of the body; a reset can take some of them along. */
  | { readonly kind: "cut"; readonly afterBytes: number; readonly how: "end" | "reset" }
  /** Nothing comes any more after so many bytes, and the connection stays open. */
  | { readonly kind: "stall"; readonly afterBytes: number }
  /** The body comes byte by byte; the connection ends after so many. */
  | { readonly kind: "trickle"; readonly bytes: number }
  | { readonly kind: "status"; readonly status: number; readonly retryAfter?: string }
  /** The whole file, although a range was asked for. */
  | { readonly kind: "range_ignored" }
  | { readonly kind: "range_refused" }
  /** A partial answer whose headers, or whose bytes, are those of another part. */
  | { readonly kind: "other_range"; readonly lie: "begin" | "total" | "no_header" | "bytes" }
  /** `Content-Length` is this much more or less than what comes. */
  | { readonly kind: "length"; readonly more: number }
  /** Another file under another tag. */
  | { readonly kind: "other_file" }
  /** One bit is wrong, under the right tag. */
  | { readonly kind: "flipped_bit"; readonly at: number }
  /** Compressed, although nobody accepts that. */
  | { readonly kind: "encoded" };

export interface FaultServer extends AsyncDisposable {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  /** Requests so far. */
  readonly requests: number;
  /** What is wrong with the next answers, one each; honest ones after that. */
  fail(faults: readonly AnswerFault[]): void;
}

/**
 * Serves files on loopback as a good server does, with strong tags and ranges, but for the faults that it is told.
 *
 * @param fileAt the file at a path; null for none (404).
 */
export async function openFaultServer(fileAt: (path: string) => Uint8Array | null): Promise<FaultServer> {
  let requests = 0;
  let faults: AnswerFault[] = [];
  const server = createServer((request, response) => {
    requests += 1;
    response.on("error", () => undefined);
    const file = fileAt(request.url ?? "");
    if (file === null) response.writeHead(404).end();
    else answer(request, response, file, faults.shift() ?? null);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
    fail: (next) => {
      faults = [...next];
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse, file: Uint8Array, fault: AnswerFault | null): void {
  if (fault?.kind === "status") {
    response.writeHead(fault.status, fault.retryAfter === undefined ? {} : { "retry-after": fault.retryAfter }).end();
    return;
  }
  const content = fault?.kind === "other_file" ? Uint8Array.from(file).reverse() : file;
  const reply = replyTo(request, content, fault);
  if (fault?.kind === "range_refused" && reply.status === 206) {
    response.writeHead(416, { "content-range": `bytes */${file.length}` }).end();
    return;
  }
  response.writeHead(reply.status, reply.headers);
  send(response, reply.body, fault);
}

interface Reply {
  readonly status: number;
  readonly headers: Record<string, string | number>;
  readonly body: Uint8Array;
}

function replyTo({ headers }: IncomingMessage, content: Uint8Array, fault: AnswerFault | null): Reply {
  const etag = `"${createHash("sha256").update(content).digest("hex")}"`;
  const begin = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
  const isPartial = headers["if-range"] === etag && begin > 0 && fault?.kind !== "range_ignored";
  const body = bodyOf(isPartial ? content.subarray(begin) : content, fault, isPartial);
  const length = Math.max(0, body.length + (fault?.kind === "length" ? fault.more : 0));
  return {
    status: isPartial ? 206 : 200,
    headers: {
      etag,
      "content-length": length,
      ...(isPartial && rangeHeader(begin, content.length, fault)),
      ...(fault?.kind === "encoded" && { "content-encoding": "gzip" }),
    },
    body,
  };
}

function bodyOf(bytes: Uint8Array, fault: AnswerFault | null, isPartial: boolean): Uint8Array {
  if (fault?.kind === "encoded") return gzipSync(bytes);
  if (fault?.kind === "flipped_bit" && bytes.length > 0) {
    const at = fault.at % bytes.length;
    return Uint8Array.from(bytes).with(at, (bytes[at] ?? 0) ^ 1);
  }
  const isShifted = isPartial && fault?.kind === "other_range" && fault.lie === "bytes";
  return isShifted ? Uint8Array.from(bytes).reverse() : bytes;
}

function rangeHeader(begin: number, total: number, fault: AnswerFault | null): Record<string, string> {
  const lie = fault?.kind === "other_range" ? fault.lie : null;
  if (lie === "no_header") return {};
  const from = lie === "begin" ? begin - 1 : begin;
  return { "content-range": `bytes ${from}-${total - 1}/${lie === "total" ? total + 1 : total}` };
}

function send(response: ServerResponse, body: Uint8Array, fault: AnswerFault | null): void {
  if (fault?.kind === "cut") {
    const { socket } = response;
    const cut = () => (fault.how === "end" ? socket?.end() : socket?.resetAndDestroy());
    response.write(body.subarray(0, fault.afterBytes), cut);
  } else if (fault?.kind === "stall") {
    response.write(body.subarray(0, fault.afterBytes));
  } else if (fault?.kind === "trickle") {
    void trickle(response, body.subarray(0, fault.bytes));
  } else {
    response.end(body);
  }
}

async function trickle(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  response.socket?.setNoDelay(true);
  for (const byte of bytes) {
    if (response.destroyed) return;
    await new Promise((resolve) => response.write(Uint8Array.of(byte), resolve));
  }
  response.destroy();
}

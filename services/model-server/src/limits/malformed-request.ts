import type { Duplex } from "node:stream";
import type { ModelServerMetrics } from "../metrics.ts";
import type { RefusalCode } from "../refusal-codes.ts";
import { isInReply } from "./reply-progress.ts";

interface RawRefusal {
  readonly status: string;
  readonly code: RefusalCode;
  readonly detail: string;
}

const MALFORMED: RawRefusal = { status: "400 Bad Request", code: "header_invalid", detail: "The request is malformed" };

/** What node's parser and timeouts complain of, by their error codes. */
const REFUSALS: ReadonlyMap<string, RawRefusal> = new Map([
  [
    "HPE_HEADER_OVERFLOW",
    {
      status: "431 Request Header Fields Too Large",
      code: "headers_too_large",
      detail: "Request line and headers are too long",
    },
  ],
  [
    "ERR_HTTP_REQUEST_TIMEOUT",
    { status: "408 Request Timeout", code: "request_timeout", detail: "The request did not end in time" },
  ],
  [
    "HPE_CHUNK_EXTENSIONS_OVERFLOW",
    { status: "413 Payload Too Large", code: "too_large", detail: "The body's chunk extensions are too long" },
  ],
]);

/**
 * Answers what never became a request, as every other refusal is answered, and ends the connection.
 *
 * Nothing is written into a reply that has begun.
 */
export function answerMalformed(metrics: ModelServerMetrics): (error: Error, socket: Duplex) => void {
  return function answer(error, socket) {
    if (!socket.writable || isInReply(socket) || codeOf(error) === "ECONNRESET") {
      socket.destroy();
      return;
    }
    const { status, code, detail } = REFUSALS.get(codeOf(error)) ?? MALFORMED;
    const body = JSON.stringify({ error: code, detail });
    const headers = [
      "Content-Type: application/json; charset=utf-8",
      `Content-Length: ${body.length}`,
      "Cache-Control: no-store",
    ];
    metrics.requests.inc({ endpoint: "other", status: status.slice(0, 3), outcome: code });
    socket.end(`HTTP/1.1 ${status}\r\n${headers.join("\r\n")}\r\nConnection: close\r\n\r\n${body}`, () =>
      socket.destroy(),
    );
  };
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { DownloadOptions } from "../src/download/download-file.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
/** Of downloads from such a server. */
export const options: DownloadOptions = {
  allowPrivateAddresses: true,
  deadlineMillis: 20_000,
  stallMillis: 5_000,
  attempts: 4,
  retryMillis: 1,
};
export const TAG = '"v1"';

interface Seen {
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly authorization: string | undefined;
  /** Every header, as text. */
  readonly headers: string;
}

type Answer = (n: number, request: IncomingMessage, response: ServerResponse, part: string) => void;

/** A server on an address of loopback whose answer to request n (from 1) the test decides; remembers what was asked. */
export async function serve(answer: Answer, host = "127.0.0.1", port = 0) {
  const folder = await temporaryFolder();
  const path = join(folder, "s.safetensors");
  const seen: Seen[] = [];
  const listener: RequestListener = (request, response) => {
    const { range, authorization } = request.headers;
    const ifRange = request.headers["if-range"];
    const headers = JSON.stringify(request.headers);
    seen.push({ range, ifRange: typeof ifRange === "string" ? ifRange : undefined, authorization, headers });
    answer(seen.length, request, response, `${path}.part`);
  };
  const server = createServer(listener).listen(port, host);
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://${host}:${(server.address() as AddressInfo).port}/a`;
  return { url, seen, wanted: { url, path, folder, maxBytes: CONTENT.length } };
}

/** The whole file, or what a range asks for. */
export function sendFile(request: IncomingMessage, response: ServerResponse, content = CONTENT, etag = TAG): void {
  const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const isPartial = begin > 0 && request.headers["if-range"] === etag;
  const body = isPartial ? content.subarray(begin) : content;
  response.writeHead(isPartial ? 206 : 200, {
    etag,
    "content-length": body.length,
    ...(isPartial ? { "content-range": `bytes ${begin}-${content.length - 1}/${content.length}` } : {}),
  });
  response.end(body);
}

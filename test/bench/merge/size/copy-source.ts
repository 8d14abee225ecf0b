import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { serveRequests } from "@assay/runtime/child/serve-requests";

/** A file to serve to whoever asks, in a process of its own. */
export interface CopySourceRequest {
  readonly path: string;
}

export interface CopySourceReply {
  readonly port: number;
}

/** Larger than Node's own 64 KiB: copying has to be quick to be compared with. */
const READ_BYTES = 1 << 20;

let path = "";
const server = createServer((request, response) => {
  const [, start, end] = /^\/(\d+)-(\d+)$/.exec(request.url ?? "") ?? [];
  response.setHeader("Content-Length", Number(end) - Number(start));
  const range = { start: Number(start), end: Number(end) - 1, highWaterMark: READ_BYTES };
  createReadStream(path, range).pipe(response);
});

serveRequests<CopySourceRequest, CopySourceReply>(async (request) => {
  path = request.path;
  if (!server.listening) await once(server.listen(0, "127.0.0.1"), "listening");
  return { port: (server.address() as AddressInfo).port };
});

import { createReadStream } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { FileDigest } from "@assay/checkpoint/digest";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Journal } from "./journal.ts";

interface OfferedFile extends FileDigest {
  readonly path: string;
}

/** Serves a miner's newest file on loopback, with `ETag` (the file's hash), `Range` and `If-Range`. */
export class FileServer implements Startable {
  private readonly journal: Journal;
  private server: Server | null = null;
  private offered: OfferedFile | null = null;

  constructor({ journal }: { readonly journal: Journal }) {
    this.journal = journal;
  }

  async start(signal: AbortSignal): Promise<void> {
    const server = createServer((request, response) => {
      this.answer(request, response).catch((error: unknown) => {
        this.journal("file_cut", { path: request.url }, error);
        response.destroy();
      });
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject).listen({ host: "127.0.0.1", port: 0, signal }, resolve);
    await promise;
    this.server = server;
  }

  async stop(): Promise<void> {
    const { server } = this;
    if (server === null) return;
    this.server = null;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  /** Replaces the file of the cycle before and returns the address of this one. */
  offer(file: OfferedFile): string {
    const address = this.server?.address();
    if (typeof address !== "object" || address === null) throw new Error("The file server is not started");
    this.offered = file;
    return `http://127.0.0.1:${address.port}${pathOf(file)}`;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const file = this.offered;
    if (file === null || request.url !== pathOf(file)) {
      response.writeHead(404).end();
      return;
    }
    const etag = `"${file.sha256}"`;
    const range = rangeOf(request, etag, file.bytes);
    const headers = { ETag: etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream" };
    if (range === "unsatisfiable") {
      response.writeHead(416, { ...headers, "Content-Range": `bytes */${file.bytes}` }).end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: file.bytes - 1 };
    response.writeHead(range === null ? 200 : 206, {
      ...headers,
      "Content-Length": end - start + 1,
      ...(range && { "Content-Range": `bytes ${start}-${end}/${file.bytes}` }),
    });
    this.journal("file_served", { bytes: end - start + 1, status: response.statusCode });
    if (request.method === "HEAD") response.end();
    else await pipeline(createReadStream(file.path, { start, end }), response);
  }
}

function pathOf({ sha256 }: FileDigest): string {
  return `/${sha256}.safetensors`;
}

interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The one range that was asked for and still holds; null to send everything. */
function rangeOf({ headers }: IncomingMessage, etag: string, bytes: number): ByteRange | "unsatisfiable" | null {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
  if (first === undefined || (headers["if-range"] ?? etag) !== etag) return null;
  const start = Number(first);
  const end = Math.min(last === undefined || last === "" ? bytes - 1 : Number(last), bytes - 1);
  return start > end ? "unsatisfiable" : { start, end };
}

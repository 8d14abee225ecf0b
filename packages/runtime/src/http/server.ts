import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { HttpError, HttpErrorCode } from "./http-error.ts";

/** A certificate chain and its key, as PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

export interface HttpServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Speaks TLS (1.2 or newer) with this certificate; plain HTTP without one. */
  readonly tls?: TlsIdentity;
  /** Time to receive the headers, and for a TLS handshake; 10 s unless said otherwise. */
  readonly headersTimeoutMs?: number;
  /** Time to receive a whole request, its body included; 5 min unless said otherwise, 0 for no limit. */
  readonly requestTimeoutMs?: number;
  /** How long an idle connection is kept; 5 s unless said otherwise. */
  readonly keepAliveTimeoutMs?: number;
  /** Connections beyond this are refused. */
  readonly maxConnections?: number;
  /** Longest request line and headers together; 16 KiB unless said otherwise. */
  readonly maxHeaderBytes?: number;
  /** Headers beyond this are dropped silently; 2,000 unless said otherwise. */
  readonly maxHeaders?: number;
  /** Sees each connection before a byte of it is read, and may destroy it. */
  readonly onConnection?: (socket: Duplex) => void;
  /** Answers what is no request, or came too slowly, and ends the connection; node's plain answer unless given. */
  readonly onClientError?: (error: Error, socket: Duplex) => void;
  /**
   * Gets each request that asks for another protocol, as a raw socket with the bytes that followed; without it such a
   * request is answered like any other.
   */
  readonly onUpgrade?: (request: IncomingMessage, socket: Socket, head: Buffer) => void;
  /** How long `close` waits for requests in flight; 5 s unless said otherwise. */
  readonly closeGraceMs?: number;
}

export interface HttpServer {
  /** `http://host:port`, or `https:`. */
  readonly url: string;
  readonly port: number;
  /** Uses another certificate for connections that come from now on; throws when they do not fit. Only with TLS. */
  renew(tls: TlsIdentity): void;
  /** Speaks HTTP on a stream as on a connection of its own; `onConnection` sees it too. Only without TLS. */
  adopt(stream: Duplex): void;
  /** Takes no more requests, lets those in flight end for a while, then cuts them. */
  close(): Promise<void>;
}

/**
 * Listens with limits on how slow a client may be.
 *
 * @param app an express application, or any listener.
 * @throws HttpError `HTTP_LISTEN_FAILED`.
 */
export async function startHttpServer(app: RequestListener, options: HttpServerOptions): Promise<HttpServer> {
  const { headersTimeoutMs = 10_000, requestTimeoutMs = 300_000, keepAliveTimeoutMs = 5_000 } = options;
  const limits = {
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    requireHostHeader: false,
    connectionsCheckingInterval: Math.min(headersTimeoutMs, 5_000),
    ...(options.maxHeaderBytes !== undefined && { maxHeaderSize: options.maxHeaderBytes }),
  };
  const tls = options.tls && createTlsServer({ ...limits, ...options.tls, handshakeTimeout: headersTimeoutMs }, app);
  const server = tls ?? createServer(limits, app);
  limit(server, options);
  // An app that wants the body says so itself, `response.writeContinue()`: a client whose request it refuses sends none.
  server.on("checkContinue", app);
  // Neither does node answer for the app that it cannot expect something, or that a request names no host.
  server.on("checkExpectation", app);
  await listen(server, options);
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    url: `${tls === undefined ? "http" : "https"}://${host}:${port}`,
    port,
    renew: (identity) => tls?.setSecureContext(identity),
    adopt: (stream) => void server.emit("connection", stream),
    close: () => close(server, options.closeGraceMs ?? 5_000),
  };
}

function limit(
  server: Server | TlsServer,
  { maxConnections, maxHeaders, onConnection, onClientError, onUpgrade }: HttpServerOptions,
): void {
  if (maxConnections !== undefined) server.maxConnections = maxConnections;
  if (maxHeaders !== undefined) server.maxHeadersCount = maxHeaders;
  if (onConnection !== undefined) server.on("connection", onConnection);
  if (onClientError !== undefined) server.on("clientError", onClientError);
  if (onUpgrade !== undefined) {
    server.on("upgrade", (request, socket, head) => onUpgrade(request, socket as Socket, head));
  }
}

async function listen(server: Server | TlsServer, { host, port }: HttpServerOptions): Promise<void> {
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (cause) {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    throw new HttpError(HttpErrorCode.ListenFailed, `Cannot listen on ${host}:${port} (${reason})`, {
      fields: { host, port, reason },
      cause,
    });
  }
}

async function close(server: Server | TlsServer, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}

import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { HttpError, HttpErrorCode } from "./http-error.ts";

export interface HttpServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Time to receive the headers; 10 s unless said otherwise. */
  readonly headersTimeoutMs?: number;
  /** Time to receive a whole request, its body included; 5 min unless said otherwise, 0 for no limit. */
  readonly requestTimeoutMs?: number;
  /** How long an idle connection is kept; 5 s unless said otherwise. */
  readonly keepAliveTimeoutMs?: number;
  /** Connections beyond this are refused. */
  readonly maxConnections?: number;
  /** How long `close` waits for requests in flight; 5 s unless said otherwise. */
  readonly closeGraceMs?: number;
}

export interface HttpServer {
  /** `http://host:port`. */
  readonly url: string;
  readonly port: number;
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
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(headersTimeoutMs, 5_000),
    },
    app,
  );
  // An app that wants the body says so itself, `response.writeContinue()`: a client whose request it refuses sends none.
  server.on("checkContinue", app);
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections;
  await listen(server, options);
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, port, close: () => close(server, options.closeGraceMs ?? 5_000) };
}

async function listen(server: Server, { host, port }: HttpServerOptions): Promise<void> {
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

async function close(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}

import { type IncomingMessage, type RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { SessionError } from "@assay/checkpoint/session/session-error";
import { SessionStream, type SessionStreamOptions } from "@assay/checkpoint/session/session-stream";
import type { Request, RequestHandler, Response } from "express";
import { ENDPOINTS } from "../api/endpoints.ts";
import { abandonReplies } from "../limits/reply-progress.ts";
import type { ModelServerMetrics } from "../metrics.ts";

export interface UpgradeComponents {
  readonly app: RequestListener;
  /** Speaks HTTP on a stream. */
  readonly adopt: (stream: Duplex) => void;
  /** Answers what is no request, and ends the connection. */
  readonly refuse: (error: Error, socket: Duplex) => void;
  readonly metrics: Pick<ModelServerMetrics, "sessions">;
}

/** A connection that asks to become another protocol's, and the way to make it one. */
interface Upgrade {
  readonly socket: Socket;
  readonly head: Buffer;
  readonly components: UpgradeComponents;
}

const upgrades = new WeakMap<IncomingMessage, Upgrade>();

/**
 * Lets the app answer whoever asks for a session, with the limits and records that every request has.
 *
 * Another path, another method or a body is refused: node's parser has let go of the connection, so nothing else could
 * be served on it.
 */
export function answerUpgrades(components: UpgradeComponents) {
  return function answerUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    // Requests before it on the same connection: the socket is still their replies'.
    if (abandonReplies(socket)) return;
    const { "content-length": length, "transfer-encoding": encoding } = request.headers;
    const hasBody = encoding !== undefined || (length !== undefined && length !== "0");
    if (request.url !== ENDPOINTS.session.path || request.method !== ENDPOINTS.session.method || hasBody) {
      components.refuse(new Error("No session is asked for"), socket);
      return;
    }
    upgrades.set(request, { socket, head, components });
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once("finish", () => {
      response.detachSocket(socket);
      response.emit("close");
      if (response.statusCode !== 101) socket.destroySoon();
    });
    components.app(request, response as never);
  };
}

/** Whether a request came inside a session. */
export function isInSession({ socket }: { readonly socket: Duplex }): boolean {
  return socket instanceof SessionStream;
}

/**
 * Ignores what a client says inside a session of whom it speaks for: it says so itself, and no proxy of ours. Whom the
 * session counts as was decided when it began.
 */
export function ignoreForwardedInSession(): RequestHandler {
  return function dropForwarded(request, _response, next) {
    if (isInSession(request)) {
      delete request.headers["x-forwarded-for"];
    }
    next();
  };
}

/** Whether a request's connection can become another protocol's. */
export function isUpgrade(request: Request): boolean {
  return upgrades.has(request);
}

/** Ends HTTP on a request's connection and goes on with HTTP inside a session; `headers` go with the 101. */
export function beginSession(
  request: Request,
  response: Response,
  headers: Readonly<Record<string, string>>,
  keys: Pick<SessionStreamOptions, "sendKey" | "receiveKey">,
): void {
  const upgrade = upgrades.get(request);
  if (upgrade === undefined || upgrade.socket.destroyed) return;
  const { socket, head, components } = upgrade;
  response.writeHead(101, headers).end();
  const stream = new SessionStream(socket, head, { ...keys, remoteAddress: request.ip });
  stream.once("close", () => {
    const { errored } = stream;
    components.metrics.sessions.inc({ outcome: errored instanceof SessionError ? errored.code : "closed" });
  });
  components.adopt(stream);
}

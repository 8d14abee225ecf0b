import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { RpcConnection, type RpcSurface } from "./connection.ts";

const MAX_MESSAGE_BYTES = 5 * 1024 * 1024;
const GOING_AWAY = 1001;
const GOODBYE_MILLIS = 500;

export interface RpcServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

/** Speaks JSON-RPC over WebSocket; `GET /health` answers 200 for whoever only wants to know that it listens. */
export class RpcServer {
  readonly #surface: RpcSurface;
  readonly #options: RpcServerOptions;
  readonly #http: Server = createServer((request, response) => {
    response.writeHead(request.url === "/health" ? 200 : 404).end();
  });
  readonly #sockets: WebSocketServer = new WebSocketServer({ server: this.#http, maxPayload: MAX_MESSAGE_BYTES });

  constructor(surface: RpcSurface, options: RpcServerOptions) {
    this.#surface = surface;
    this.#options = options;
  }

  /** Listens; resolves to the server's address. */
  async start(): Promise<string> {
    this.#sockets.on("connection", (socket) => this.#serve(socket));
    const { host, port } = this.#options;
    this.#http.listen(port, host);
    await once(this.#http, "listening");
    return `ws://${host}:${(this.#http.address() as AddressInfo).port}`;
  }

  /** Cuts every connection, as a failing network would. New ones are served. */
  dropConnections(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  /** Says goodbye to every client; those that do not answer in time are cut off. */
  async stop(): Promise<void> {
    const closed = once(this.#http, "close");
    this.#sockets.close();
    this.#http.close();
    for (const socket of this.#sockets.clients) socket.close(GOING_AWAY);
    const cutOff = setTimeout(() => {
      this.dropConnections();
      this.#http.closeAllConnections();
    }, GOODBYE_MILLIS);
    await closed;
    clearTimeout(cutOff);
  }

  #serve(socket: WebSocket): void {
    const connection = new RpcConnection(this.#surface, (message) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(message);
    });
    socket.on("message", (message) => connection.receive(String(message)));
    socket.on("error", () => socket.terminate());
    socket.on("close", () => connection.close());
  }
}

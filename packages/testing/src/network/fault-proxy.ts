import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Lane } from "./lane.ts";

/** What goes wrong between clients and a server. It applies to open connections and to those opened meanwhile. */
export type Fault =
  /** Connections stay open, nothing passes in either direction: the peer's machine is gone. */
  | { readonly kind: "silent" }
  /** Connections stay open, one direction is lost: requests never arrive, or answers and news never come back. */
  | { readonly kind: "one_way"; readonly lost: "requests" | "answers" }
  /** Every connection ends with a reset, new ones as soon as they are opened. */
  | { readonly kind: "reset" }
  /** Everything arrives, late: each direction of a connection passes this many bytes a second. */
  | { readonly kind: "slow"; readonly bytesPerSecond: number }
  /** A connection ends once the client has received this many more bytes, in the middle of a message as a rule. */
  | { readonly kind: "cut"; readonly afterBytes: number };

/** A TCP relay in front of a server, for the faults that a server does not have by itself. */
export interface FaultProxy {
  /** The target's address with the proxy's host and port. */
  readonly url: string;
  /** Connections that clients opened so far. */
  readonly accepted: number;
  /** Bytes that faults swallowed so far. */
  readonly lostBytes: number;
  /**
   * Begins a fault, in place of the one before; null ends it. A connection that lost bytes is cut then, as no peer could
   * go on with it.
   */
  fail(fault: Fault | null): void;
  close(): Promise<void>;
}

/** Starts a proxy on loopback. Any protocol over TCP passes, so also HTTP and WebSocket without encryption. */
export async function openFaultProxy(
  target: string,
  { host = "127.0.0.1" }: { readonly host?: string } = {},
): Promise<FaultProxy> {
  const proxied = new URL(target);
  const links = new Set<Link>();
  let fault: Fault | null = null;
  const count = { accepted: 0, lostBytes: 0 };
  const onLost = (bytes: number) => {
    count.lostBytes += bytes;
  };
  const server = createServer((client) => {
    count.accepted += 1;
    const link = new Link({ client, server: connect(Number(proxied.port), proxied.hostname), onLost }, fault);
    links.add(link);
    client.on("close", () => links.delete(link));
  });
  const port = await listen(server, host);
  return {
    url: `${proxied.protocol}//${host}:${port}${proxied.pathname === "/" ? "" : proxied.pathname}`,
    get accepted() {
      return count.accepted;
    },
    get lostBytes() {
      return count.lostBytes;
    },
    fail: (next) => {
      fault = next;
      for (const link of links) link.fail(next);
    },
    close: async () => {
      const closed = once(server, "close");
      server.close();
      for (const link of links) link.destroy();
      await closed;
    },
  };
}

async function listen(server: Server, host: string): Promise<number> {
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The proxy has no port");
  return address.port;
}

interface Ends {
  readonly client: Socket;
  readonly server: Socket;
  readonly onLost: (bytes: number) => void;
}

/** One client's connection and the one to the server that belongs to it. */
class Link {
  readonly #onLost: (bytes: number) => void;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #requests: Lane;
  readonly #answers: Lane;
  #fault: Fault | null = null;
  #bytesLeft = Number.POSITIVE_INFINITY;
  #hasLostBytes = false;

  constructor({ client, server, onLost }: Ends, fault: Fault | null) {
    this.#onLost = onLost;
    this.#client = client;
    this.#server = server;
    this.#requests = new Lane(server);
    this.#answers = new Lane(client);
    for (const socket of [client, server]) {
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.destroy());
    }
    client.on("data", (chunk) => this.#pass("requests", chunk));
    server.on("data", (chunk) => this.#pass("answers", chunk));
    this.fail(fault);
  }

  fail(fault: Fault | null): void {
    this.#fault = fault;
    this.#bytesLeft = fault?.kind === "cut" ? fault.afterBytes : Number.POSITIVE_INFINITY;
    if (fault?.kind === "reset") this.#client.resetAndDestroy();
    if (fault === null && this.#hasLostBytes) this.destroy();
  }

  destroy(): void {
    for (const lane of [this.#requests, this.#answers]) lane.close();
    for (const socket of [this.#client, this.#server]) socket.destroy();
  }

  #pass(direction: "requests" | "answers", chunk: Buffer): void {
    const fault = this.#fault;
    if (fault?.kind === "silent" || (fault?.kind === "one_way" && fault.lost === direction)) {
      this.#hasLostBytes = true;
      this.#onLost(chunk.length);
      return;
    }
    const bytesPerSecond = fault?.kind === "slow" ? fault.bytesPerSecond : Number.POSITIVE_INFINITY;
    if (direction === "requests") this.#requests.send(chunk, bytesPerSecond);
    else this.#answer(chunk, bytesPerSecond);
  }

  #answer(chunk: Buffer, bytesPerSecond: number): void {
    const isLast = chunk.length >= this.#bytesLeft;
    this.#answers.send(isLast ? chunk.subarray(0, this.#bytesLeft) : chunk, bytesPerSecond);
    this.#bytesLeft -= chunk.length;
    if (!isLast) return;
    this.#server.destroy();
    this.#client.end(() => this.#client.destroy());
  }
}

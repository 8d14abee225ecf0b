import { connect, createServer, type Socket } from "node:net";

/** A TCP relay in front of a node, for the faults that a node does not have by itself. */
export interface TcpGate {
  readonly url: string;
  /** Lets nothing through any more, in either direction, and keeps every connection open: a dead peer. */
  freeze(): void;
  /** Cuts the frozen connections and lets new ones through. */
  thaw(): void;
  /** Drops what clients send from now on, while the node's messages go on. */
  muteClients(): void;
  close(): Promise<void>;
}

export async function openTcpGate(target: string): Promise<TcpGate> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let isFrozen = false;
  let isMute = false;
  const server = createServer((client) => {
    const node = connect(Number(port), hostname);
    for (const socket of [client, node]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    client.on("data", (chunk) => !isFrozen && !isMute && node.write(chunk));
    node.on("data", (chunk) => !isFrozen && client.write(chunk));
    client.on("close", () => node.destroy());
    node.on("close", () => client.destroy());
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The gate has no port");
  return {
    url: `ws://127.0.0.1:${address.port}`,
    freeze: () => {
      isFrozen = true;
    },
    thaw: () => {
      isFrozen = false;
      isMute = false;
      for (const socket of sockets) socket.destroy();
    },
    muteClients: () => {
      isMute = true;
    },
    close: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const socket of sockets) socket.destroy();
      await closed.promise;
    },
  };
}

import { WebSocket, WebSocketServer } from "ws";

export interface RpcRequest {
  readonly id: number;
  readonly method: string;
  readonly params: readonly unknown[];
}

/** Sends a client an answer or a notification of the gate's own. */
export type SendToClient = (message: Readonly<Record<string, unknown>>) => void;

/** Decides about a request: true when the gate has answered it itself and the node shall not see it. */
export type Tamper = (request: RpcRequest, send: SendToClient) => boolean;

/** A JSON-RPC relay in front of a node, for answers that a healthy node does not give. */
export async function openRpcGate(
  target: string,
  tamper: Tamper,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  const listening = Promise.withResolvers<void>();
  server.on("listening", () => listening.resolve());
  server.on("connection", (client) => relay(client, new WebSocket(target), tamper));
  await listening.promise;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The gate has no port");
  return {
    url: `ws://127.0.0.1:${address.port}`,
    close: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const client of server.clients) client.terminate();
      await closed.promise;
    },
  };
}

function relay(client: WebSocket, node: WebSocket, tamper: Tamper): void {
  const opened = Promise.withResolvers<void>();
  node.on("open", () => opened.resolve());
  client.on("message", async (bytes) => {
    const text = bytes.toString();
    await opened.promise;
    if (!tamper(JSON.parse(text), (message) => client.send(JSON.stringify({ jsonrpc: "2.0", ...message })))) {
      node.send(text);
    }
  });
  node.on("message", (bytes) => client.send(bytes.toString()));
  client.on("close", () => node.terminate());
  node.on("close", () => client.terminate());
}

import { JsonRpcSocket } from "@assay/chain/polkadot/json-rpc-socket";
import { afterEach, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { atEnd, endAll } from "./test-chain.ts";

afterEach(endAll);

/** A server that does with each request what the test says, and a socket connected to it. */
async function connected(onMessage: (client: WebSocket, request: { id: number; method: string }) => void) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  const listening = Promise.withResolvers<void>();
  server.on("listening", () => listening.resolve());
  server.on("connection", (client) => client.on("message", (bytes) => onMessage(client, JSON.parse(bytes.toString()))));
  await listening.promise;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port");
  const socket = new JsonRpcSocket(`ws://127.0.0.1:${address.port}`, 200);
  atEnd(async () => {
    await socket.disconnect();
    for (const client of server.clients) client.terminate();
    server.close();
  });
  await socket.connect();
  return socket;
}

const answer = (client: WebSocket, message: object) => client.send(JSON.stringify({ jsonrpc: "2.0", ...message }));

test("answers find their requests in any order", async () => {
  const waiting: number[] = [];
  const socket = await connected((client, { id }) => {
    waiting.push(id);
    if (waiting.length === 2) for (const each of [...waiting].reverse()) answer(client, { id: each, result: each });
  });
  const results = await Promise.all([socket.send("first", []), socket.send("second", [])]);
  expect(results).toEqual([1, 2]);
});

test("a notification right behind its subscription's answer is not lost", async () => {
  const socket = await connected((client, { id }) => {
    answer(client, { id, result: "s1" });
    answer(client, { method: "news", params: { subscription: "s1", result: 42 } });
  });
  const news = Promise.withResolvers<unknown>();
  await socket.subscribe("news", "subscribe", [], (_error, result) => news.resolve(result));
  expect(await news.promise).toBe(42);
});

test("a request without an answer fails at its deadline, and a late answer harms nobody", async () => {
  const late: (() => void)[] = [];
  const socket = await connected((client, { id, method }) => {
    if (method === "slow") late.push(() => answer(client, { id, result: "late" }));
    else answer(client, { id, result: "prompt" });
  });
  const slow = socket.send("slow", []);
  expect(await socket.send("quick", [])).toBe("prompt");
  await expect(slow).rejects.toMatchObject({ code: "CHAIN_REQUEST_DEADLINE", retryable: true });
  for (const send of late) send();
  expect(await socket.send("quick", [])).toBe("prompt");
  expect(socket.isGivenUp).toBe(false);
});

test("a peer that sends news and answers nothing is given up at the first deadline", async () => {
  let hasSubscribed = false;
  const socket = await connected((client, { id }) => {
    if (!hasSubscribed) answer(client, { id, result: "s1" });
    else for (const result of [1, 2]) answer(client, { method: "news", params: { subscription: "s1", result } });
    hasSubscribed = true;
  });
  const ended = Promise.withResolvers<void>();
  socket.on("disconnected", () => ended.resolve());
  const news: unknown[] = [];
  await socket.subscribe("news", "subscribe", [], (_error, result) => news.push(result));
  await expect(socket.send("unheard", [])).rejects.toMatchObject({ code: "CHAIN_REQUEST_DEADLINE" });
  await ended.promise;
  expect(news).toEqual([1, 2]);
  expect([socket.isGivenUp, socket.isConnected]).toEqual([true, false]);
});

test("a peer that leaves some requests without an answer is given up at the third", async () => {
  const socket = await connected((client, { id, method }) => {
    if (method === "quick") answer(client, { id, result: "prompt" });
  });
  for (const isGivenUp of [false, false, true]) {
    const heavy = socket.send("heavy", []);
    expect(await socket.send("quick", [])).toBe("prompt");
    await expect(heavy).rejects.toMatchObject({ code: "CHAIN_REQUEST_DEADLINE" });
    expect(socket.isGivenUp).toBe(isGivenUp);
  }
});

test("a lost connection fails what is under way, and everything after", async () => {
  const socket = await connected((client) => client.terminate());
  await expect(socket.send("first", [])).rejects.toMatchObject({ code: "CHAIN_DISCONNECTED" });
  await expect(socket.send("second", [])).rejects.toMatchObject({ code: "CHAIN_DISCONNECTED" });
});

test.each(["no json", "[1]", "null", '{"jsonrpc":"2.0"}', '{"method":"news","params":null}'])(
  "a peer that sends %j is hung up on",
  async (text) => {
    const socket = await connected((client) => client.send(text));
    const ended = Promise.withResolvers<void>();
    socket.on("disconnected", () => ended.resolve());
    await expect(socket.send("anything", [])).rejects.toMatchObject({ code: "CHAIN_DISCONNECTED" });
    await ended.promise;
    expect(socket.isConnected).toBe(false);
  },
);

test("nobody listening is a refusal, and not a crash", async () => {
  const socket = new JsonRpcSocket("ws://127.0.0.1:9", 200);
  await expect(socket.connect()).rejects.toMatchObject({ code: "CHAIN_DISCONNECTED" });
});

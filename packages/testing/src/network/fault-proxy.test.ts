import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type FaultProxy, openFaultProxy } from "./fault-proxy.ts";

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A server that sends back what it gets, a proxy before it, and what the server has received so far. */
async function echoed() {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => {
      received.push(chunk.toString());
      socket.write(chunk);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port");
  endings.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const proxy = await openFaultProxy(`ws://127.0.0.1:${address.port}/path`);
  endings.push(() => proxy.close());
  return { proxy, received };
}

/** A client, what it has received so far, and how its connection ended. */
async function clientOf(proxy: FaultProxy) {
  const socket = connect(Number(new URL(proxy.url).port), "127.0.0.1");
  const heard = { text: "", error: "" };
  const ended = Promise.withResolvers<void>();
  socket.on("data", (chunk) => {
    heard.text += chunk.toString();
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    heard.error = error.code ?? "";
  });
  socket.on("close", () => ended.resolve());
  endings.push(() => {
    socket.destroy();
  });
  await Promise.race([ended.promise, once(socket, "connect").catch(() => undefined)]);
  return { socket, heard, ended: ended.promise };
}

test("without a fault bytes pass both ways, and the address keeps protocol and path", async () => {
  const { proxy } = await echoed();
  const { socket, heard } = await clientOf(proxy);
  socket.write("hello");
  await expect.poll(() => heard.text).toBe("hello");
  expect(proxy.url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/path$/);
  expect(proxy.accepted).toBe(1);
});

test("a silent proxy passes nothing on, and its end cuts the connections that lost bytes", async () => {
  const { proxy, received } = await echoed();
  const { socket, ended } = await clientOf(proxy);
  socket.write("before");
  await expect.poll(() => received).toEqual(["before"]);
  proxy.fail({ kind: "silent" });
  socket.write("lost");
  const later = await clientOf(proxy);
  later.socket.write("lost too");
  await expect.poll(() => proxy.lostBytes).toBe(12);
  expect([socket.destroyed, later.socket.destroyed]).toEqual([false, false]);
  proxy.fail(null);
  await Promise.all([ended, later.ended]);
  expect(received).toEqual(["before"]);
});

test.each([
  ["requests", []],
  ["answers", ["hello"]],
] as const)("a proxy that loses %s passes the other direction on", async (lost, arrived) => {
  const { proxy, received } = await echoed();
  proxy.fail({ kind: "one_way", lost });
  const { socket, heard } = await clientOf(proxy);
  socket.write("hello");
  await expect.poll(() => proxy.lostBytes).toBe(5);
  expect(received).toEqual(arrived);
  expect(heard.text).toBe("");
  expect(socket.destroyed).toBe(false);
});

test("a reset ends open connections, and new ones at once", async () => {
  const { proxy } = await echoed();
  const open = await clientOf(proxy);
  open.socket.write("hello");
  await expect.poll(() => open.heard.text).toBe("hello");
  proxy.fail({ kind: "reset" });
  await open.ended;
  expect(open.heard.error).toBe("ECONNRESET");
  const next = await clientOf(proxy);
  await next.ended;
  proxy.fail(null);
  const last = await clientOf(proxy);
  last.socket.write("again");
  await expect.poll(() => last.heard.text).toBe("again");
});

test("a slow proxy passes everything on, in order and late, also past its own end", async () => {
  const { proxy } = await echoed();
  const { socket, heard } = await clientOf(proxy);
  proxy.fail({ kind: "slow", bytesPerSecond: 100 });
  const before = performance.now();
  socket.write("0123456789");
  await expect.poll(() => heard.text).toBe("0123456789");
  expect(performance.now() - before).toBeGreaterThan(190);
  socket.write("abcdefghij");
  proxy.fail(null);
  socket.write("klm");
  await expect.poll(() => heard.text).toBe("0123456789abcdefghijklm");
});

test("a connection is cut after so many bytes of answers, each one anew", async () => {
  const { proxy } = await echoed();
  proxy.fail({ kind: "cut", afterBytes: 3 });
  for (const text of ["hello", "world"]) {
    const { socket, heard, ended } = await clientOf(proxy);
    socket.write(text);
    await ended;
    expect(heard.text).toBe(text.slice(0, 3));
  }
});

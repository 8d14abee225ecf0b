import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { FreeingAgent } from "./freeing-agent.ts";

test("bodies of any size come whole over one connection whose reads are freed", async () => {
  const bodies = [0, 1, 300, 65_535, 65_536, 1 << 20, 3_000_001].map((bytes) => randomBytes(bytes));
  const connections = new Set<unknown>();
  const server = createServer((request, response) => {
    connections.add(request.socket);
    response.end(bodies[Number(request.url?.slice(1))]);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const agent = new FreeingAgent();
  onTestFinished(async () => {
    agent.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

  for (const [index, body] of bodies.entries()) {
    const request = get({ host: "127.0.0.1", port, path: `/${index}`, agent });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const hash = createHash("sha256");
    for await (const piece of response) hash.update(piece);
    expect([index, hash.digest("hex")]).toEqual([index, digest(body)]);
  }
  expect(connections.size).toBe(1);
});

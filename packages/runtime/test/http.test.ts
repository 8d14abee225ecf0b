import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { connect } from "node:net";
import { duplexPair } from "node:stream";
import { text } from "node:stream/consumers";
import { createHttpClient } from "@assay/runtime/http/client";
import { type HttpServer, startHttpServer } from "@assay/runtime/http/server";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { AdminServer, type HealthReport } from "@assay/runtime/metrics/admin-server";
import { createRegistry } from "@assay/runtime/metrics/registry";
import { Gauge } from "prom-client";
import { afterEach, describe, expect, test } from "vitest";

const loopback = { host: "127.0.0.1", port: 0 };
const client = createHttpClient({ userAgent: "assay-test", totalMs: 2_000, maxBytes: 1_000 });
const servers: Pick<HttpServer, "close">[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serve(app: RequestListener, options = {}): Promise<string> {
  const server = await startHttpServer(app, { ...loopback, ...options });
  servers.push(server);
  return server.url;
}

describe("the server", () => {
  test("says when its address is taken", async () => {
    const url = await serve((_request, response) => response.end());
    const port = Number(new URL(url).port);
    await expect(startHttpServer(() => undefined, { host: "127.0.0.1", port })).rejects.toMatchObject({
      code: "HTTP_LISTEN_FAILED",
      fields: { port, reason: "EADDRINUSE" },
    });
  });

  test("speaks HTTP on a stream that it adopts, with the same deadlines", async () => {
    const app: RequestListener = (_request, response) => response.end("adopted");
    const server = await startHttpServer(app, { ...loopback, headersTimeoutMs: 100 });
    servers.push(server);
    const [asking, ours] = duplexPair();
    const [silent, theirs] = duplexPair();
    server.adopt(ours);
    server.adopt(theirs);
    asking.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

    const silence = once(silent, "data");

    expect(await text(asking)).toMatch(/^HTTP\/1.1 200 OK[\s\S]*adopted/);
    expect(String((await silence)[0])).toMatch(/^HTTP\/1.1 408 /);
    silent.destroy();
  });

  test("cuts a client that is too slow with its headers", async () => {
    const url = await serve((_request, response) => response.end(), { headersTimeoutMs: 100 });
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n");
    const [answer] = await once(socket, "data");
    expect(String(answer)).toContain("408");
    socket.destroy();
  });

  test("lets a request in flight end before it closes, and cuts one that does not", async () => {
    const arrived = Promise.withResolvers<void>();
    const server = await startHttpServer(() => arrived.resolve(), { ...loopback, closeGraceMs: 50 });
    const request = expect(client(server.url)).rejects.toMatchObject({ code: "HTTP_REQUEST_FAILED" });
    await arrived.promise;
    await server.close();
    await server.close();
    await request;
  });
});

describe("the client", () => {
  test("keeps credentials and query out of its errors", async () => {
    const url = new URL(await serve((_request, response) => response.writeHead(503).end("no")));
    const address = `http://user:pa55@${url.host}/x?signature=s3cret`;
    const error = await client(address, { headers: { authorization: "Bearer t0ken" } }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "HTTP_STATUS", retryable: true, fields: { status: 503, host: url.host } });
    const logger = createMemoryLogger();
    logger.error("Request failed", {}, error);
    expect(logger.lines().join()).not.toMatch(/pa55|s3cret|t0ken/);
    expect(JSON.stringify(error)).not.toMatch(/pa55|s3cret|t0ken/);
  });

  test("follows no redirect", async () => {
    const url = await serve((_request, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end());
    expect((await client(url)).statusCode).toBe(302);
  });

  test("stops reading an answer that is too long", async () => {
    const url = await serve((_request, response) => response.end("x".repeat(100_000)));
    await expect(client(url)).rejects.toMatchObject({ code: "HTTP_TOO_LARGE", retryable: false });
  });

  test("gives up in time", async () => {
    const url = await serve(() => undefined, { closeGraceMs: 0 });
    await expect(client(url, { timeout: { request: 50 } })).rejects.toMatchObject({
      code: "HTTP_TIMEOUT",
      fields: { phase: "request" },
    });
  });

  test("ends as soon as it is aborted", async () => {
    const url = await serve(() => undefined, { closeGraceMs: 0 });
    const controller = new AbortController();
    const request = client(url, { signal: controller.signal });
    controller.abort(new Error("stopping"));
    await expect(request).rejects.toMatchObject({ name: "AbortError" });
  });

  test("says why there was no answer", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    server.close();
    await once(server, "close");
    const port = typeof address === "object" ? address?.port : 0;
    await expect(client(`http://127.0.0.1:${port}`)).rejects.toMatchObject({
      code: "HTTP_REQUEST_FAILED",
      retryable: true,
      fields: { reason: "ECONNREFUSED" },
    });
  });
});

describe("the admin server", () => {
  async function startAdmin(checks: { health?: () => HealthReport; ready?: () => HealthReport } = {}) {
    const registry = createRegistry({ service: "evaluator", version: "1.2.3" });
    const admin = new AdminServer({ logger: createMemoryLogger(), registry, ...checks }, loopback);
    await admin.start(new AbortController().signal);
    servers.push({ close: () => admin.stop() });
    return { registry, get: (path: string) => fetch(`${admin.url}${path}`) };
  }

  test("serves the metrics under both of their names", async () => {
    const { registry, get } = await startAdmin();
    new Gauge({ name: "eval_avg_w_i", help: "Mean w", registers: [registry] }).set(0.187);
    const text = await get("/metrics");
    expect(text.headers.get("content-type")).toContain("text/plain");
    expect(await text.text()).toContain("eval_avg_w_i 0.187");
    expect(await (await get("/metrics.json")).json()).toMatchObject({
      "eval/avg_w_i": 0.187,
      'assay_build_info{service="evaluator",version="1.2.3"}': 1,
    });
  });

  test("is well unless told otherwise", async () => {
    const { get } = await startAdmin({
      ready: () => ({ ok: false, reason: "no head for 60 s", details: { block: 5 } }),
    });
    const health = await get("/health");
    expect([health.status, await health.json()]).toEqual([200, { status: "ok" }]);
    const ready = await get("/ready");
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: "unavailable", reason: "no head for 60 s", block: 5 },
    ]);
    expect((await get("/nothing")).status).toBe(404);
  });

  test("answers for a check that fails itself", async () => {
    const health = () => {
      throw new Error("bug");
    };
    const { get } = await startAdmin({ health });
    expect((await get("/health")).status).toBe(503);
  });
});

import { once } from "node:events";
import { type PrivateRedis, startPrivateRedis } from "@assay/testing/redis/private-redis";
import express from "express";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { limitShape } from "../src/limits/limit-shape.ts";
import { distributeView, submissionView } from "./chain-views.ts";
import { ALICE, pullBody, signedHeaders, VERA } from "./miners.ts";
import { connectTo, exchange } from "./raw-client.ts";
import { bytesOf, refusalIn, ServerFixture, TOKEN, until } from "./server-fixture.ts";

const GROUPS = [bytesOf("a", 100), bytesOf("b", 100)] as const;
const alice = { "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };

let redis: PrivateRedis;
beforeAll(async () => {
  redis = await startPrivateRedis();
});
afterAll(() => redis.stop());

async function serving(args: readonly string[] = []): Promise<ServerFixture> {
  const server = await ServerFixture.start({ redisUrl: redis.url, view: distributeView(), args });
  await server.publish(0, GROUPS);
  return server.serve();
}

/** Statuses of so many requests, one after the other. */
async function statuses(
  server: ServerFixture,
  count: number,
  headers: Record<string, string>,
  path = "/model/partial",
) {
  const all: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const response = await server.fetch(path, { headers });
    await response.arrayBuffer();
    all.push(response.status);
  }
  return all;
}

describe("the rate of requests", () => {
  test("of one address is 150 in 30 s; then 429 says when to come again, and health still answers", async () => {
    await using server = await serving();

    const all = await statuses(server, 150, alice);
    const response = await server.fetch("/model/partial", { headers: alice });

    expect(new Set(all)).toEqual(new Set([200]));
    const seconds = Number(response.headers.get("retry-after"));
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThanOrEqual(31);
    expect(await refusalIn(response)).toEqual({ status: 429, error: "rate_limited" });
    for (const path of ["/health", "/livez", "/readyz", "/ready"]) {
      expect((await fetch(`${server.url}${path}`)).status).toBe(200);
    }
    expect(await server.registry.metrics()).toContain('status="429",outcome="rate_limited"} 1');
  });

  test("counts guesses of the token as well", async () => {
    await using server = await serving(["--rate_limit.requests=2"]);

    const all = await statuses(server, 3, { ...alice, authorization: "Bearer guess" });

    expect(all).toEqual([401, 401, 429]);
  });

  test("believes no X-Forwarded-For of a client", async () => {
    await using server = await serving(["--rate_limit.requests=2"]);

    const all = await Promise.all(
      ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((address) =>
        server.fetch("/model/partial", { headers: { ...alice, "x-forwarded-for": address } }),
      ),
    );

    expect(all.map(({ status }) => status).sort()).toEqual([200, 200, 429]);
  });

  test("counts by what a configured proxy says, and not by what its client made up", async () => {
    await using server = await serving(["--rate_limit.requests=1", "--trusted_proxies=127.0.0.0/8"]);
    const from = (addresses: string) => statuses(server, 1, { ...alice, "x-forwarded-for": addresses });

    expect(await from("192.0.2.1")).toEqual([200]);
    expect(await from("192.0.2.2")).toEqual([200]);
    expect(await from("203.0.113.9, 192.0.2.1")).toEqual([429]);
    expect(await from("not an address, 192.0.2.2")).toEqual([429]);
  });

  test("counts an IPv6 client by its /64", async () => {
    await using server = await serving(["--rate_limit.requests=1", "--trusted_proxies=127.0.0.1"]);
    const from = (address: string) => statuses(server, 1, { ...alice, "x-forwarded-for": address });

    expect(await from("2001:db8:0:1::1")).toEqual([200]);
    expect(await from("2001:db8:0:1:ffff::2")).toEqual([429]);
    expect(await from("2001:db8:0:2::1")).toEqual([200]);
  });

  test("of one hotkey that signs holds over all its addresses", async () => {
    await using server = await serving(["--rate_limit.requests=2", "--trusted_proxies=127.0.0.1"]);
    const from = (address: string) =>
      statuses(server, 1, { ...signedHeaders(VERA), "x-forwarded-for": address }, "/model/full");

    expect([await from("192.0.2.1"), await from("192.0.2.2"), await from("192.0.2.3")]).toEqual([[200], [200], [429]]);
  });

  test("of one hotkey counts its submissions as well", async () => {
    await using server = await serving(["--rate_limit.requests=2", "--trusted_proxies=127.0.0.1"]);
    await server.setView(submissionView());
    const submit = async (address: string) => {
      const headers = { "content-type": "application/json", "x-forwarded-for": address };
      const body = pullBody(ALICE, "https://miner.example/checkpoint");
      const response = await server.fetch("/submit", { method: "POST", headers, body });
      await response.arrayBuffer();
      return response.status;
    };

    expect([await submit("192.0.2.1"), await submit("192.0.2.2"), await submit("192.0.2.3")]).toEqual([202, 200, 429]);
  });

  test("of one hotkey cannot be used up by who only claims to be it", async () => {
    await using server = await serving(["--rate_limit.requests=2", "--trusted_proxies=127.0.0.1"]);
    const forged = { ...signedHeaders(ALICE), "x-hotkey": VERA.hotkey };
    for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.3"]) {
      expect(await statuses(server, 1, { ...forged, "x-forwarded-for": address }, "/model/full")).toEqual([403]);
    }

    expect(await statuses(server, 1, signedHeaders(VERA), "/model/full")).toEqual([200]);
  });
});

describe("what is no request of a client of ours", () => {
  const head = `Host: x\r\nAuthorization: Bearer ${TOKEN}\r\n`;
  const many = (count: number) => Array.from({ length: count }, (_, index) => `X-${index}: 1\r\n`).join("");

  test.each([
    ["a header that is too long", `GET /model/full HTTP/1.1\r\n${head}X: ${"x".repeat(17_000)}\r\n\r\n`, "431"],
    ["a line that is far too long", `GET /${"x".repeat(20_000)} HTTP/1.1\r\n${head}\r\n`, "431"],
  ])("%s is refused by the parser, in our words", async (_case, bytes, status) => {
    await using server = await serving();

    expect(await exchange(server.url, bytes)).toMatchObject({ status, error: "headers_too_large" });
  });

  test.each([
    [
      "too many headers",
      `GET /health HTTP/1.1\r\n${head}Connection: close\r\n${many(62)}\r\n`,
      "431",
      "headers_too_large",
    ],
    ["more headers than node reads", `GET /health HTTP/1.0\r\n${head}${many(500)}\r\n`, "431", "headers_too_large"],
    ["a long path", `GET /${"x".repeat(2_048)} HTTP/1.0\r\n${head}\r\n`, "414", "uri_too_long"],
    ["a long query", `GET /health?${"x".repeat(2_048)} HTTP/1.0\r\n${head}\r\n`, "414", "uri_too_long"],
    ["no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "400", "header_invalid"],
    ["a bad header", "GET / HTTP/1.1\r\nHost x\r\n\r\n", "400", "header_invalid"],
    [
      "two lengths",
      `POST /submit HTTP/1.1\r\n${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
      "400",
      "header_invalid",
    ],
    [
      "a length and chunks",
      `POST /submit HTTP/1.1\r\n${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      "400",
      "header_invalid",
    ],
    ["no host", "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", "400", "header_invalid"],
    [
      "an expectation",
      `GET /health HTTP/1.1\r\n${head}Expect: tea\r\nConnection: close\r\n\r\n`,
      "417",
      "expectation_failed",
    ],
    ["a path that does not decode", `GET /%E0%A4%A HTTP/1.0\r\n${head}\r\n`, "404", "not_found"],
  ])("%s: refused with a code", async (_case, bytes, status, error) => {
    await using server = await serving();

    expect(await exchange(server.url, bytes)).toMatchObject({ status, error });
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });

  test("63 headers and 2,048 characters are served", async () => {
    await using server = await serving();

    const headers = `GET /health?${"x".repeat(2_040)} HTTP/1.0\r\n${head}${many(60)}\r\n`;

    expect((await exchange(server.url, headers)).status).toBe("200");
  });
});

describe("a client that trickles", () => {
  test("its body gets 408 and loses its connection", async () => {
    const app = express();
    app.use(limitShape(50));
    app.post("/submit", () => undefined);
    const server = app.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;

    const answer = await exchange(
      `http://127.0.0.1:${port}`,
      "POST /submit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    );

    expect(answer).toMatchObject({ status: "408", error: "request_timeout" });
    server.close();
    await once(server, "close");
  });

  test("its headers gets 408 with a code after ten seconds, and the server serves meanwhile", async () => {
    await using server = await serving();
    const slow = exchange(server.url, "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ");

    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect(await slow).toMatchObject({ status: "408", error: "request_timeout" });
  }, 30_000);
});

describe("the log of refusals", () => {
  test("has one line for a miner's, and only debug lines for what strangers can cause", async () => {
    await using server = await serving();
    const who = `hotkey: ${ALICE.hotkey.slice(0, 5)}...`;
    await server.fetch("/model/partial", { headers: { ...alice, "x-expert-group": "1" } });
    await server.fetch("/model/partial", { headers: { ...alice, authorization: "" } });

    await until(() => server.logger.lines().filter((line) => line.includes("| outcome: ")).length === 2);
    const lines = server.logger.lines().filter((line) => line.includes("| outcome: "));
    expect(lines.map((line) => line.replace(/seconds: [\d.]+/, "seconds: 0"))).toEqual([
      `[INFO] GET /model/partial | ${who} | group: 1 | bytes: 0 | seconds: 0 | status: 403 | outcome: group_mismatch | detail: The hotkey's group on chain is 0, not 1`,
      `[DEBUG] GET /model/partial | ${who} | bytes: 0 | seconds: 0 | status: 401 | outcome: unauthorized | detail: A valid bearer token is required`,
    ]);
  });
});

describe("connections", () => {
  test("of one address are bounded; the next is closed unread, until one ends", async () => {
    await using server = await serving(["--connections.max_per_address=2"]);
    const first = await connectTo(server.url);
    const second = await connectTo(server.url);

    const third = await connectTo(server.url);
    third.on("error", () => undefined);
    third.resume();
    await once(third, "close");

    expect(await server.registry.metrics()).toContain('model_server_connections_refused_total{limit="address"} 1');
    first.destroy();
    await until(async () => (await fetch(`${server.url}/health`).catch(() => null))?.status === 200);
    second.destroy();
  });

  test("in all are bounded", async () => {
    await using server = await serving(["--connections.max=1", "--trusted_proxies=127.0.0.1"]);
    const first = await connectTo(server.url);

    const second = await connectTo(server.url);
    second.on("error", () => undefined);
    second.resume();
    await once(second, "close");

    expect(await server.registry.metrics()).toContain('model_server_connections_refused_total{limit="total"} 1');
    first.destroy();
  });
});

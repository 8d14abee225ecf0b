import { rm, writeFile } from "node:fs/promises";
import { type PrivateRedis, startPrivateRedis } from "@assay/testing/redis/private-redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { distributeView } from "./chain-views.ts";
import { ALICE, pushHeaders, signedHeaders, VERA } from "./miners.ts";
import { bytesOf, refusalIn, ServerFixture, until } from "./server-fixture.ts";

const GROUPS = [bytesOf("a", 100), bytesOf("b", 100)] as const;

let redis: PrivateRedis;
beforeAll(async () => {
  redis = await startPrivateRedis();
});
afterAll(() => redis.stop());

async function serving(): Promise<ServerFixture> {
  const server = await ServerFixture.start({ redisUrl: redis.url, view: distributeView({ phase: "minerCommit1" }) });
  await server.publish(0, GROUPS);
  return server.serve();
}

async function json(url: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url);
  return { status: response.status, body: await response.json() };
}

describe("health and readiness", () => {
  test("are told without a token, the phase in lower case", async () => {
    await using server = await serving();

    expect(await json(`${server.url}/health`)).toEqual({
      status: 200,
      body: { status: "healthy", model_loaded: true, current_block: 136, phase: "minercommit1" },
    });
    expect(await json(`${server.url}/ready`)).toEqual({ status: 200, body: { status: "ready", reasons: [] } });
    expect(await json(`${server.adminUrl}/ready`)).toMatchObject({ status: 200 });
  });

  test("name what is missing", async () => {
    await using server = await ServerFixture.start({ redisUrl: redis.url, view: null });
    await server.serve();

    expect(await json(`${server.url}/health`)).toEqual({
      status: 200,
      body: {
        status: "degraded",
        model_loaded: false,
        current_block: null,
        phase: null,
        reasons: ["chain_view_missing", "model_unavailable"],
      },
    });
    expect(await json(`${server.url}/ready`)).toEqual({
      status: 503,
      body: { status: "not_ready", reasons: ["chain_view_missing", "model_unavailable"] },
    });
    expect(await json(`${server.adminUrl}/ready`)).toMatchObject({ status: 503 });
  });

  test("a start logs model, mapping and port in this order", async () => {
    await using server = await serving();

    const lines = server.logger.lines().map((line) => line.replace(/port \d+$/, "port N"));
    const told = [
      "[INFO] Loading base model | model: Qwen3-VL-30B-Instruct",
      "[INFO] Model loaded | expert mapping: 2 groups, 64 experts/layer | version: 0",
      "[INFO] Model server ready on port N",
    ];
    expect(lines.filter((line) => told.includes(line))).toEqual(told);
  });
});

describe("a view of the chain that is too old", () => {
  test("stops every endpoint but health, until it is fresh again", async () => {
    await using server = await serving();
    await server.setView(distributeView({ updatedAt: Date.now() - 61_000 }));
    const alice = { "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };
    const ask = () => [
      server.fetch("/model/partial", { headers: alice }),
      server.fetch("/model/full", { headers: signedHeaders(VERA) }),
      server.fetch("/submit", { method: "POST", headers: pushHeaders(ALICE, GROUPS[0]), body: Buffer.from(GROUPS[0]) }),
    ];

    for (const response of await Promise.all(ask())) {
      expect(await refusalIn(response)).toEqual({ status: 503, error: "chain_view_stale" });
    }
    expect(await json(`${server.url}/health`)).toMatchObject({
      status: 200,
      body: { status: "degraded", current_block: 136, reasons: ["chain_view_stale"] },
    });
    await server.setView(distributeView());
    expect((await server.fetch("/model/partial", { headers: alice })).status).toBe(200);
    const reports = server.logger.lines().filter((line) => line.includes("Chain view"));
    expect(reports).toHaveLength(2);
  });

  test.each([
    ["not JSON", "{"],
    ["of another schema", JSON.stringify({ ...distributeView(), schema: 2 })],
  ])("is as good as one that is %s", async (_case, text) => {
    await using server = await serving();
    await writeFile(server.layout.chainView, text);

    const response = await server.fetch("/model/full", { headers: signedHeaders(VERA) });

    expect(await refusalIn(response)).toEqual({ status: 503, error: "chain_view_stale" });
  });

  test("is as good as none", async () => {
    await using server = await serving();
    await rm(server.layout.chainView);

    const response = await server.fetch("/model/full", { headers: signedHeaders(VERA) });

    expect(await refusalIn(response)).toEqual({ status: 503, error: "chain_view_stale" });
  });
});

describe("the private port", () => {
  test("tells what the server measures", async () => {
    await using server = await serving();
    await (await server.fetch("/model/full", { headers: signedHeaders(VERA) })).arrayBuffer();

    const metrics = async () => await (await fetch(`${server.adminUrl}/metrics`)).text();
    // The client may have the last byte before the server has counted it.
    await until(async () => (await metrics()).includes("model_server_requests_in_flight 0"));
    const text = await metrics();

    expect(text).toContain('model_server_requests_total{endpoint="/model/full",status="200",outcome="served"} 1');
    expect(text).toContain('model_server_sent_bytes_total{endpoint="/model/full",status="200",outcome="served"} 1020');
    expect(text).toContain("model_server_model_version 0");
  });
});

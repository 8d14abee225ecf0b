import { rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import { writeTinyModel } from "@assay/testing/model/tiny-model";
import { type PrivateRedis, startPrivateRedis } from "@assay/testing/redis/private-redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { distributeView, submissionView } from "./chain-views.ts";
import { ALICE, BOB, STRANGER, signedHeaders, VERA } from "./miners.ts";
import {
  bytesOf,
  describeFull,
  fullFile,
  groupFile,
  publishVersion,
  refusalIn,
  ServerFixture,
  sha256Of,
  sharedFile,
  TOKEN,
  until,
} from "./server-fixture.ts";

const VALUES = [bytesOf("group 0", 3_808), bytesOf("group 1", 3_808)] as const;
const GROUP_0 = await groupFile(0, VALUES[0]);
const GROUP_1 = await groupFile(1, VALUES[1]);
const SHARED = await sharedFile();
const FULL = await fullFile(VALUES);
const alice = { "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };

let redis: PrivateRedis;
beforeAll(async () => {
  redis = await startPrivateRedis();
});
afterAll(() => redis.stop());

async function serving(args: readonly string[] = [], values = VALUES): Promise<ServerFixture> {
  const server = await ServerFixture.start({ redisUrl: redis.url, view: distributeView(), args });
  await server.publish(0, values);
  return server.serve();
}

describe("GET /model/partial", () => {
  test("gives a miner its group with digest, metadata and one line in the log", async () => {
    await using server = await serving();

    const response = await server.fetch("/model/partial", { headers: alice });

    expect(response.status).toBe(200);
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(GROUP_0);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(response.headers.get("content-length")).toBe("4000");
    expect(response.headers.get("etag")).toBe(`"${sha256Of(GROUP_0)}"`);
    expect(response.headers.get("x-content-hash")).toBe(`sha256:${sha256Of(GROUP_0)}`);
    expect(JSON.parse(response.headers.get("x-model-meta") ?? "")).toEqual({
      expert_group: 0,
      block_number: 136,
      model_version: "step_0",
      content_hash: `sha256:${sha256Of(GROUP_0)}`,
    });
    await until(() => server.logger.lines().some((line) => line.includes("GET /model/partial")));
    expect(server.logger.lines().find((line) => line.includes("/model/partial"))).toMatch(
      new RegExp(
        `^\\[INFO\\] GET /model/partial \\| hotkey: ${ALICE.hotkey.slice(0, 5)}\\.\\.\\. \\| group: 0 \\| size: 4\\.0 KB \\| time: 0\\.\\ds \\| bytes: 4000 \\| seconds: 0(\\.\\d+)? \\| resumed: false \\| status: 200 \\| outcome: served$`,
      ),
    );
  });

  test.each([
    ["no token", "/model/partial", { authorization: "" }, 401, "unauthorized"],
    ["a wrong token", "/model/partial", { authorization: `Bearer ${TOKEN}x` }, 401, "unauthorized"],
    ["another scheme", "/model/partial", { authorization: `Basic ${TOKEN}` }, 401, "unauthorized"],
    ["no hotkey", "/model/partial", { "x-expert-group": "0" }, 400, "header_invalid"],
    ["a hotkey without neuron", "/model/partial", { ...alice, "x-hotkey": STRANGER.hotkey }, 403, "not_registered"],
    ["no group", "/model/partial", { "x-hotkey": ALICE.hotkey }, 400, "header_invalid"],
    ["a group that is no number", "/model/partial", { ...alice, "x-expert-group": "0x1" }, 400, "header_invalid"],
    ["another miner's group", "/model/partial", { ...alice, "x-expert-group": "1" }, 403, "group_mismatch"],
    ["a group the model has not", "/model/partial", { ...alice, "x-expert-group": "9" }, 404, "unknown_group"],
    ["a part that is none", "/model/partial?part=router", alice, 400, "query_invalid"],
    ["the context without offer", "/model/partial?part=context", alice, 403, "part_not_offered"],
    ["no such endpoint", "/model", alice, 404, "not_found"],
  ])("%s is refused", async (_case, path, headers, status, error) => {
    await using server = await serving();

    const response = await server.fetch(path, { headers });

    expect(await refusalIn(response)).toEqual({ status, error });
  });

  test("when Distribute is not served, it says when the next phase begins", async () => {
    await using server = await serving(["--serve_phases=train"]);
    await server.setView(distributeView({ block: 136, phaseLastBlock: 139, nextDistributeBlock: 180 }));

    const response = await server.fetch("/model/partial", { headers: alice });

    expect([response.headers.get("retry-after"), response.headers.get("x-retry-block")]).toEqual(["48", "140"]);
    expect(await refusalIn(response)).toEqual({ status: 503, error: "wrong_phase" });
  });

  test("outside the served phases it says when to come again", async () => {
    await using server = await serving();
    await server.setView(distributeView({ phase: "minerCommit1", block: 170, nextDistributeBlock: 180 }));

    const response = await server.fetch("/model/partial", { headers: alice });

    expect(await refusalIn(response)).toEqual({ status: 503, error: "wrong_phase" });
    expect(response.headers.get("retry-after")).toBe("120");
  });

  test("train is served by default and not when it is configured away", async () => {
    await using server = await serving(["--serve_phases=distribute"]);
    await server.setView(distributeView({ phase: "train", block: 140 }));

    expect((await server.fetch("/model/partial", { headers: alice })).status).toBe(503);

    await using other = await serving();
    await other.setView(distributeView({ phase: "train", block: 140 }));
    expect((await other.fetch("/model/partial", { headers: alice })).status).toBe(200);
  });

  test("without a model it is unavailable, and serves as soon as one is published", async () => {
    await using server = await ServerFixture.start({ redisUrl: redis.url, view: distributeView() });
    await server.serve();

    const early = await server.fetch("/model/partial", { headers: alice });
    expect(await refusalIn(early)).toEqual({ status: 503, error: "model_unavailable" });
    await server.publish(0, VALUES);

    expect((await server.fetch("/model/partial", { headers: alice })).status).toBe(200);
  });

  test("a new version is served at once, with a new ETag", async () => {
    await using server = await serving();
    await (await server.fetch("/model/partial", { headers: alice })).arrayBuffer();
    const merged = bytesOf("group 0, merged", 3_808);
    await server.publish(1, [merged, VALUES[1]]);

    const response = await server.fetch("/model/partial", { headers: alice });

    expect(new Uint8Array(await response.arrayBuffer())).toEqual(await groupFile(0, merged));
    expect(JSON.parse(response.headers.get("x-model-meta") ?? "")).toMatchObject({ model_version: "step_1" });
  });

  test("what the evaluator's store imports is what miners get", async () => {
    await using server = await ServerFixture.start({ redisUrl: redis.url, view: distributeView() });
    const model = join(server.layout.root, "base-model");
    await writeTinyModel(model);
    const store = new CheckpointStore({ logger: server.logger }, { root: server.layout.root, keepVersions: 3 });
    await store.start();
    await store.importModel(model, { groups: 2 });
    await server.serve();

    const response = await server.fetch("/model/partial", { headers: alice });

    const content = new Uint8Array(await response.arrayBuffer());
    expect(sha256Of(content)).toBe((await store.manifest(0)).groups[0]?.sha256);
    expect(response.headers.get("x-content-hash")).toBe(`sha256:${sha256Of(content)}`);
    expect(server.logger.lines()).toContain(
      "[INFO] Model loaded | expert mapping: 2 groups, 4 experts/layer | version: 0",
    );
  });

  test.each([
    ["changed", (file: string) => writeFile(file, bytesOf("other", 8_000))],
    ["is gone", (file: string) => rm(file)],
  ])("a model whose file %s is not served, neither loaded nor yet to be loaded", async (_how, change) => {
    await using server = await serving();
    const loaded = await server.fetch("/model/partial", { headers: alice });
    expect(loaded.status).toBe(200);
    await loaded.arrayBuffer();
    await change(server.modelFile);

    const first = await server.fetch("/model/partial", { headers: alice });
    const then = await server.fetch("/model/partial?part=shared", { headers: alice });

    expect(await refusalIn(first)).toEqual({ status: 503, error: "model_unavailable" });
    expect([first.headers.get("etag"), first.headers.get("x-model-meta")]).toEqual([null, null]);
    expect(await refusalIn(then)).toEqual({ status: 503, error: "model_unavailable" });
    expect(server.logger.lines().join("\n")).toContain("CHECKPOINT_MODEL_CHANGED");
  });
});

describe("resuming and revalidating", () => {
  test("a range gives 206 with its part", async () => {
    await using server = await serving();

    const response = await server.fetch("/model/partial", { headers: { ...alice, range: "bytes=1000-" } });

    expect(response.status).toBe(206);
    expect(response.headers.get("content-range")).toBe("bytes 1000-3999/4000");
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(GROUP_0.subarray(1000));
  });

  test("a range of the version it began with continues, of another one begins anew", async () => {
    await using server = await serving();
    const range = { ...alice, range: "bytes=3999-" };

    const same = await server.fetch("/model/partial", {
      headers: { ...range, "if-range": `"${sha256Of(GROUP_0)}"` },
    });
    const other = await server.fetch("/model/partial", {
      headers: { ...range, "if-range": `"${sha256Of(GROUP_1)}"` },
    });

    expect([same.status, (await same.arrayBuffer()).byteLength]).toEqual([206, 1]);
    expect([other.status, (await other.arrayBuffer()).byteLength]).toEqual([200, 4000]);
  });

  test("a range behind the end gives 416 with the size", async () => {
    await using server = await serving();

    const response = await server.fetch("/model/partial", { headers: { ...alice, range: "bytes=4000-" } });

    expect(await refusalIn(response)).toEqual({ status: 416, error: "range_not_satisfiable" });
    expect(response.headers.get("content-range")).toBe("bytes */4000");
    expect(response.headers.get("etag")).toBeNull();
  });

  test("ranges that begin inside the header and end inside the values are the file's own bytes", async () => {
    await using server = await serving(["--allow_context"]);
    for (const [first, last] of [
      [0, 0],
      [100, 300],
      [FULL.length - 600, FULL.length - 400],
    ] as const) {
      const headers = { ...alice, range: `bytes=${first}-${last}` };
      const response = await server.fetch("/model/partial?part=context", { headers });
      expect(response.status).toBe(206);
      expect(new Uint8Array(await response.arrayBuffer())).toEqual(FULL.subarray(first, last + 1));
    }
  });

  test("several ranges at once are answered with the whole file", async () => {
    await using server = await serving();

    const response = await server.fetch("/model/partial", { headers: { ...alice, range: "bytes=0-1,100-101" } });

    expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([200, 4000]);
  });

  test("an ETag that still holds gives 304 without body", async () => {
    await using server = await serving();

    const response = await server.fetch("/model/partial", {
      // Without its own, fetch adds a Cache-Control that forbids 304.
      headers: { ...alice, "if-none-match": `"${sha256Of(GROUP_0)}"`, "cache-control": "max-age=0" },
    });

    expect(response.status).toBe(304);
    expect((await response.arrayBuffer()).byteLength).toBe(0);
  });

  test("an If-Match that does not hold gives 412", async () => {
    await using server = await serving();

    const response = await server.fetch("/model/partial", { headers: { ...alice, "if-match": '"other"' } });

    expect(await refusalIn(response)).toEqual({ status: 412, error: "precondition_failed" });
  });

  test("HEAD gives the headers alone", async () => {
    await using server = await serving();

    const response = await server.fetch("/model/partial", { method: "HEAD", headers: alice });

    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe("4000");
    expect((await response.arrayBuffer()).byteLength).toBe(0);
  });
});

describe("other parts and forms", () => {
  test("framed: length, JSON, bytes in one body", async () => {
    await using server = await serving();

    const response = await server.fetch("/model/partial?format=framed", { headers: alice });
    const body = Buffer.from(await response.arrayBuffer());
    const length = body.readUInt32BE(0);

    expect(Number(response.headers.get("content-length"))).toBe(body.length);
    expect(JSON.parse(body.subarray(4, 4 + length).toString())).toMatchObject({
      expert_group: 0,
      content_hash: `sha256:${sha256Of(GROUP_0)}`,
    });
    expect(new Uint8Array(body.subarray(4 + length))).toEqual(GROUP_0);
  });

  test("shared and config need no group; context only where it is offered", async () => {
    await using server = await serving(["--allow_context"]);
    const headers = { "x-hotkey": BOB.hotkey };

    const shared = await server.fetch("/model/partial?part=shared", { headers });
    const config = await server.fetch("/model/partial?part=config", { headers });
    const context = await server.fetch("/model/partial?part=context", { headers });

    expect(new Uint8Array(await shared.arrayBuffer())).toEqual(SHARED);
    expect(await config.json()).toEqual({ num_experts: 64 });
    expect(config.headers.get("content-type")).toContain("application/json");
    expect(new Uint8Array(await context.arrayBuffer())).toEqual(FULL);
    expect(JSON.parse(context.headers.get("x-model-meta") ?? "")).toMatchObject({ expert_group: null });
  });

  test("a miner may name its own group with any part, and no other", async () => {
    await using server = await serving();

    const own = await server.fetch("/model/partial?part=shared", { headers: alice });
    const foreign = await server.fetch("/model/partial?part=shared", { headers: { ...alice, "x-expert-group": "1" } });

    expect(own.status).toBe(200);
    expect(await refusalIn(foreign)).toEqual({ status: 403, error: "group_mismatch" });
  });

  test("a client that goes away in the middle leaves nothing running", async () => {
    await using server = await serving([], [new Uint8Array(48 << 20), new Uint8Array(48 << 20)]);

    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const request = get(
      `${server.url}/model/partial`,
      { headers: { ...alice, authorization: `Bearer ${TOKEN}` } },
      (response) => {
        response.once("data", () => {
          response.destroy();
          resolve();
        });
      },
    );
    request.once("error", reject);
    await promise;

    await until(() => server.logger.lines().some((line) => line.includes("cut by the client")));
    await until(async () => (await server.registry.metrics()).includes("model_server_requests_in_flight 0"));
    expect(await server.registry.metrics()).toContain('outcome="cut_by_client"');
  });
});

describe("GET /model/full", () => {
  test("gives a validator the whole model for a signed request", async () => {
    await using server = await serving();

    const response = await server.fetch("/model/full", { headers: signedHeaders(VERA) });

    expect(response.status).toBe(200);
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(FULL);
    expect(response.headers.get("etag")).toBe(`"${sha256Of(FULL)}"`);
  });

  test("waits for its digest, as `context` does, while the version's parts are served", async () => {
    await using server = await serving(["--allow_context=true"]);
    const merged: readonly [Uint8Array, Uint8Array] = [bytesOf("group 0, merged", 3_808), VALUES[1]];
    await publishVersion(server, 1, merged, false);
    const ask = () =>
      Promise.all([
        server.fetch("/model/full", { headers: signedHeaders(VERA) }),
        server.fetch("/model/partial?part=context", { headers: alice }),
      ]);

    for (const response of await ask()) {
      expect(response.headers.get("retry-after")).toBe("5");
      expect(await refusalIn(response)).toEqual({ status: 503, error: "full_pending" });
    }
    const part = await server.fetch("/model/partial", { headers: alice });
    expect(new Uint8Array(await part.arrayBuffer())).toEqual(await groupFile(0, merged[0]));

    await describeFull(server, 1);
    for (const response of await ask()) {
      expect(new Uint8Array(await response.arrayBuffer())).toEqual(await fullFile(merged));
    }
  });

  test("is served in every phase, and in ranges with a new signature each", async () => {
    await using server = await serving();
    await server.setView(submissionView());
    const signed = { ...signedHeaders(VERA, { blockNumber: 176 }), range: `bytes=${FULL.length - 1}-` };

    const response = await server.fetch("/model/full", { headers: signed });

    expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([206, 1]);
  });

  test.each([
    ["a miner", signedHeaders(ALICE), "not_validator"],
    ["a hotkey without neuron", signedHeaders(STRANGER), "not_registered"],
    ["no signature", { "x-hotkey": VERA.hotkey }, "signature_invalid"],
    ["another path's signature", signedHeaders(VERA, { path: "/model/partial" }), "signature_invalid"],
    ["another method's signature", signedHeaders(VERA, { method: "POST" }), "signature_invalid"],
    ["another's signature", { ...signedHeaders(ALICE), "x-hotkey": VERA.hotkey }, "signature_invalid"],
    ["a changed block", { ...signedHeaders(VERA), "x-block": "135" }, "signature_invalid"],
    ["an old block", signedHeaders(VERA, { blockNumber: 125 }), "block_window"],
    ["a block to come", signedHeaders(VERA, { blockNumber: 139 }), "block_window"],
  ])("%s is refused", async (_case, headers, error) => {
    await using server = await serving();

    const response = await server.fetch("/model/full", { headers });

    expect(await refusalIn(response)).toEqual({ status: 403, error });
  });

  test("a nonce is good once", async () => {
    await using server = await serving();
    const headers = signedHeaders(VERA, { nonce: "once-and-only-once" });

    const first = await server.fetch("/model/full", { headers });
    const again = await server.fetch("/model/full", { headers });

    expect(first.status).toBe(200);
    expect(await refusalIn(again)).toEqual({ status: 403, error: "nonce_reused" });
  });
});

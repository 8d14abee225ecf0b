import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type TensorSource, writeSafetensors } from "@assay/checkpoint/safetensors/write";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { submissionView } from "./chain-views.ts";
import { ALICE, BOB, EDDY, pullBody, pushHeaders, STRANGER } from "./miners.ts";
import { bytesOf, groupFile, refusalIn, ServerFixture, sha256Of, until } from "./server-fixture.ts";
import { sendBlindly, upload } from "./uploads.ts";

/** Values of each of the model's two groups. */
const VALUES = 400_000;
const JSON_TYPE = { "content-type": "application/json" };
const NAME = "model.layers.0.mlp.experts.0.up_proj.weight";

let server: ServerFixture;
let whole: Uint8Array;
beforeAll(async () => {
  server = await ServerFixture.start({ redisUrl: "unix:///nowhere/redis.sock" });
  await server.publish(0, [bytesOf("zero", VALUES), bytesOf("one", VALUES)]);
  await server.serve();
  whole = await groupFile(0, bytesOf("trained", VALUES));
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => server.setView(submissionView()));

async function fileOf(tensor: Partial<TensorSource>): Promise<Uint8Array> {
  const values = bytesOf("trained", VALUES);
  const path = `${server.layout.root}/${crypto.randomUUID()}.safetensors`;
  await writeSafetensors(path, [{ name: NAME, dtype: "U8", shape: [VALUES], chunks: () => [values], ...tensor }]);
  return new Uint8Array(await readFile(path));
}

describe("a body that cannot be a submission of the group", () => {
  test.each([
    ["text", async () => bytesOf("anything", VALUES + 200), "malformed"],
    ["the tensors of another group", () => groupFile(1, bytesOf("trained", VALUES)), "tensor_set_mismatch"],
    ["another shape", () => fileOf({ shape: [VALUES / 2, 2] }), "shape_mismatch"],
    ["another dtype", () => fileOf({ dtype: "I8" }), "dtype_mismatch"],
  ] as const)("%s, is cut off at its header, however long it is said to be", async (_case, make, error) => {
    const body = await make();
    const declared = upload(server, { ...pushHeaders(ALICE, body), "content-length": String(body.length) });
    const chunked = upload(server, pushHeaders(ALICE, body));
    declared.request.write(body.subarray(0, 1_000));
    chunked.request.write(body.subarray(0, 1_000));

    expect(await declared.response).toEqual({ status: 422, error });
    expect(await chunked.response).toEqual({ status: 422, error });
    declared.request.destroy();
    chunked.request.destroy();
    expect(await server.inboxFiles()).toEqual([]);
  });

  test.each([
    ["longer than any spelling of the tensors", VALUES + 200_000, 413, "too_large"],
    ["shorter than their values", VALUES, 422, "malformed"],
    ["empty", 0, 422, "malformed"],
  ])("%s, is refused before its first byte", async (_case, length, status, error) => {
    const { request, response } = upload(server, { ...pushHeaders(ALICE, whole), "content-length": String(length) });
    request.flushHeaders();

    expect(await response).toEqual({ status, error });
    request.destroy();
  });

  test("that goes on after its last tensor, or ends before it, is refused at that byte", async () => {
    const longer = upload(server, pushHeaders(ALICE, whole));
    longer.request.write(Buffer.concat([whole, Uint8Array.of(0)]));
    const shorter = upload(server, pushHeaders(EDDY, whole));
    shorter.request.end(whole.subarray(0, -1));

    expect(await longer.response).toEqual({ status: 422, error: "malformed" });
    expect(await shorter.response).toEqual({ status: 422, error: "malformed" });
    longer.request.destroy();
    expect(await server.inboxFiles()).toEqual([]);
  });

  test("of a group that the model does not have is refused, also as a URL", async () => {
    const view = submissionView();
    const roster = view.roster.map((entry) => (entry.hotkey === ALICE.hotkey ? { ...entry, group: 7 } : entry));
    await server.setView({ ...view, roster });
    const { request, response } = upload(server, pushHeaders(ALICE, whole, { expertGroup: 7 }));
    request.flushHeaders();

    const body = pullBody(ALICE, "https://miner.example/file", { expertGroup: 7 });
    const pulled = await server.fetch("/submit", { method: "POST", headers: JSON_TYPE, body });

    expect(await response).toEqual({ status: 404, error: "unknown_group" });
    expect(await refusalIn(pulled)).toEqual({ status: 404, error: "unknown_group" });
    request.destroy();
  });
});

describe("a client that waits for 100 Continue", () => {
  const waiting = { expect: "100-continue" };

  test("gets it when the body is wanted, and not when it is refused", async () => {
    const wanted = upload(server, { ...pushHeaders(EDDY, whole), ...waiting, "content-length": String(whole.length) });
    wanted.request.flushHeaders();
    await once(wanted.request, "continue");
    wanted.request.end(whole);
    const refused = upload(server, { ...pushHeaders(STRANGER, whole), ...waiting, "content-length": "1000000" });
    let continued = false;
    refused.request.once("continue", () => {
      continued = true;
    });
    refused.request.flushHeaders();

    expect(await wanted.response).toEqual({ status: 202, error: undefined });
    expect(await refused.response).toEqual({ status: 403, error: "not_registered" });
    expect(continued).toBe(false);
    refused.request.destroy();
    const payload = await readFile(`${server.layout.inbox}/175/${EDDY.hotkey}.safetensors`);
    expect(sha256Of(payload)).toBe(sha256Of(whole));
  });

  test("is told at once that the same bytes stand already", async () => {
    const { request, response } = upload(server, {
      ...pushHeaders(EDDY, whole),
      "content-length": String(whole.length),
    });
    request.flushHeaders();

    expect(await response).toEqual({ status: 200, error: undefined });
    request.destroy();
  });
});

describe("the connection of a refused upload", () => {
  const large = new Uint8Array(8 * 1024 * 1024);
  const length = { "content-length": String(large.length) };

  test.each([
    ["for its token", { ...pushHeaders(BOB, large), authorization: "Bearer wrong" }, 401, "unauthorized"],
    ["for its headers", { ...pushHeaders(BOB, large), "x-hotkey": "nobody" }, 400, "header_invalid"],
    ["for its signature", { ...pushHeaders(BOB, large), "x-block-number": "177" }, 403, "signature_invalid"],
    ["for its length", pushHeaders(ALICE, large), 413, "too_large"],
  ])("%s is closed only after a client that reads late has read the reply", async (_case, headers, status, error) => {
    const reply = await sendBlindly(server, { ...headers, ...length }, large);

    expect(reply).toContain(`HTTP/1.1 ${status} `);
    expect(reply.toLowerCase()).toContain("\r\nconnection: close\r\n");
    expect(JSON.parse(reply.slice(reply.indexOf("\r\n\r\n") + 4))).toMatchObject({ error });
  });

  test("is closed as soon as the client has closed its side, and counted as answered", async () => {
    const { request, response } = upload(server, { ...pushHeaders(STRANGER, large), ...length });
    request.flushHeaders();
    await response;
    request.destroy();

    await until(async () => (await server.registry.metrics()).includes("model_server_requests_in_flight 0"));
    expect(await server.registry.metrics()).toMatch(/requests_total\{[^}]*status="403",outcome="not_registered"\}/);
    expect(await server.registry.metrics()).not.toContain('outcome="cut_by_client"');
  });
});

test("an upload that would need the reserve is refused before its body, and the operator is told once", async () => {
  const args = ["--inbox_reserve_bytes=9007199254740991"];
  await using full = await ServerFixture.start({
    redisUrl: "unix:///nowhere/redis.sock",
    args,
    view: submissionView(),
  });
  await full.serve();
  for (const miner of [ALICE, EDDY]) {
    const { request, response } = upload(full, { ...pushHeaders(miner, whole), "content-length": "400192" });
    request.flushHeaders();
    expect(await response).toEqual({ status: 507, error: "inbox_full" });
    request.destroy();
  }
  expect(full.logger.lines().filter((line) => line.startsWith("[ERROR] No room for uploads"))).toHaveLength(1);
});

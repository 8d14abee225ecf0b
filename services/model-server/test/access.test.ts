import { stat } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { distributeView, submissionView } from "./chain-views.ts";
import { ALICE, BOB, EDDY, pullBody, pushHeaders, signedHeaders, VERA } from "./miners.ts";
import { exchange, openDownload } from "./raw-client.ts";
import { bytesOf, groupFile, ServerFixture, TOKEN, until } from "./server-fixture.ts";

/** More than the kernel takes on loopback. */
const BYTES = 16 << 20;
/** With the header of a file of one tensor. */
const GROUP_BYTES = BYTES + 192;

let server: ServerFixture;
let content: Uint8Array;
beforeAll(async () => {
  server = await ServerFixture.start({ redisUrl: "unix:///nowhere/redis.sock", view: distributeView() });
  await server.publish(0, [bytesOf("zero", BYTES), bytesOf("one", BYTES)]);
  await server.serve();
  content = await groupFile(1, bytesOf("trained", BYTES));
});
afterAll(() => server[Symbol.asyncDispose]());

const alice = { "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };
const bob = { "x-hotkey": BOB.hotkey, "x-expert-group": "1" };
const A = `hotkey: ${ALICE.hotkey.slice(0, 5)}...`;
const B = `hotkey: ${BOB.hotkey.slice(0, 5)}...`;

/** The next access line, times left out. */
async function lineAfter(ask: () => Promise<unknown>): Promise<string> {
  const lines = () => server.logger.lines().filter((line) => line.includes("| outcome: "));
  const before = lines().length;
  await ask();
  await until(() => lines().length === before + 1);
  return String(lines()[before]).replace(/(time|seconds): [\d.]+/g, "$1: T");
}

async function metric(name: string, labels: string): Promise<number> {
  const line = (await server.registry.metrics()).split("\n").find((each) => each.startsWith(`${name}{${labels}}`));
  return line === undefined ? Number.NaN : Number(line.split(" ").at(-1));
}

describe("an access record", () => {
  test.each([
    [
      "a slice",
      "/model/partial",
      bob,
      `[INFO] GET /model/partial | ${B} | group: 1 | size: 16.8 MB | time: Ts | bytes: ${GROUP_BYTES} | seconds: T | resumed: false | status: 200 | outcome: served`,
    ],
    [
      "the rest of a slice",
      "/model/partial",
      { ...bob, range: `bytes=${GROUP_BYTES - 192}-` },
      `[INFO] GET /model/partial | ${B} | group: 1 | size: 192 B | time: Ts | bytes: 192 | seconds: T | resumed: true | offset: ${GROUP_BYTES - 192} | status: 206 | outcome: served`,
    ],
    [
      "the start of a slice",
      "/model/partial",
      { ...bob, range: "bytes=0-9" },
      `[INFO] GET /model/partial | ${B} | group: 1 | size: 10 B | time: Ts | bytes: 10 | seconds: T | resumed: false | offset: 0 | status: 206 | outcome: served`,
    ],
    [
      "a path that is none, of a stranger's making",
      "/model/partial%0a|forged:yes?token=secret",
      { "x-hotkey": "5|forged: yes" },
      "[INFO] GET /model/partial%0a?forged?yes | bytes: 0 | seconds: T | status: 404 | outcome: not_found | detail: No such endpoint",
    ],
  ])("of %s", async (_case, path, headers, line) => {
    expect(await lineAfter(async () => (await server.fetch(path, { headers })).arrayBuffer())).toBe(line);
  });

  test("of a whole model names its validator", async () => {
    const line = await lineAfter(async () =>
      (await server.fetch("/model/full", { headers: signedHeaders(VERA) })).arrayBuffer(),
    );

    expect(line).toMatch(
      /^\[INFO\] GET \/model\/full \| hotkey: 5\w{4}\.\.\. \| size: 33\.6 MB .* \| outcome: served$/,
    );
  });

  test("of a download that its client left says how much it took", async () => {
    const line = await lineAfter(async () => (await openDownload(server.url, alice)).destroy());

    expect(line).toMatch(
      new RegExp(`^\\[INFO\\] GET /model/partial cut by the client \\| ${A} .* \\| outcome: cut_by_client$`),
    );
  });

  test("of uploads says what came, and what became of it", async () => {
    await server.setView(submissionView());
    const push = (headers: Record<string, string>, body: Uint8Array) =>
      server.fetch("/submit", { method: "POST", headers, body: Buffer.from(body) });
    const headers = pushHeaders(BOB, content, { expertGroup: 1 });
    const who = `${B} | group: 1 | block: 176`;

    expect(await lineAfter(() => push(headers, content.with(-1, 1)))).toMatch(
      `[INFO] POST /submit | ${who} | bytes: ${GROUP_BYTES} | seconds: T | status: 400 | outcome: content_hash_mismatch | detail: `,
    );
    expect(await lineAfter(() => push(headers, content))).toBe(
      `[INFO] POST /submit | ${who} | accepted | bytes: ${GROUP_BYTES} | seconds: T | status: 202 | outcome: accepted`,
    );
    expect(await lineAfter(() => push(headers, content))).toBe(
      `[INFO] POST /submit | ${who} | bytes: 0 | seconds: T | status: 200 | outcome: duplicate`,
    );
    const json = { "content-type": "application/json" };
    const body = pullBody(ALICE, "https://miner.example/a");
    expect(await lineAfter(() => server.fetch("/submit", { method: "POST", headers: json, body }))).toBe(
      `[INFO] POST /submit | ${A} | group: 0 | block: 176 | accepted | bytes: 0 | seconds: T | status: 202 | outcome: accepted`,
    );
    expect(await lineAfter(() => server.fetch("/submit", { method: "POST", headers: json, body: "{" }))).toBe(
      "[INFO] POST /submit | bytes: 0 | seconds: T | status: 400 | outcome: body_invalid | detail: The body is not JSON",
    );
    await server.setView(distributeView());
  });

  test("of an upload that broke off has what came until then", async () => {
    await server.setView(submissionView());
    const whole = await groupFile(0, bytesOf("trained", BYTES));
    const headers = {
      ...pushHeaders(EDDY, whole),
      authorization: `Bearer ${TOKEN}`,
      "content-length": String(whole.length),
    };

    const line = await lineAfter(async () => {
      const upload = httpRequest(`${server.url}/submit`, { method: "POST", agent: false, headers });
      upload.on("error", () => undefined);
      upload.write(whole.subarray(0, 1 << 20));
      await until(async () => {
        const [file] = (await server.inboxFiles()).filter((name) => name.includes(EDDY.hotkey));
        return file !== undefined && (await stat(join(server.layout.inbox, file))).size > 0;
      });
      upload.destroy();
    });

    const bytes = Number(/\| bytes: (\d+) \|/.exec(line)?.[1]);
    expect(line).toMatch(/^\[INFO\] POST \/submit cut by the client \| .* \| outcome: cut_by_client$/);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(1 << 20);
    await server.setView(distributeView());
  });

  test("never has the token, and of what needs none only debug lines", async () => {
    await exchange(
      server.url,
      `GET /x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}x\r\nConnection: close\r\n\r\n`,
    );
    await exchange(server.url, `GET /health HTTP/1.1\r\nHost: x\r\nExpect: ${TOKEN}\r\nConnection: close\r\n\r\n`);
    await until(() => server.logger.lines().some((line) => line.includes("outcome: expectation_failed")));

    const lines = server.logger.lines();
    expect(lines.filter((line) => line.includes(TOKEN))).toEqual([]);
    expect(
      lines
        .filter((line) => /outcome: (unauthorized|expectation_failed)/.test(line))
        .every((line) => line.startsWith("[DEBUG]")),
    ).toBe(true);
  });
});

describe("metrics", () => {
  test("count requests, bytes and seconds by endpoint, status and outcome", async () => {
    const labels = 'endpoint="/model/partial",status="206",outcome="served"';
    const before = (await metric("model_server_requests_total", labels)) || 0;
    const bytesBefore = (await metric("model_server_sent_bytes_total", labels)) || 0;

    await (await server.fetch("/model/partial", { headers: { ...bob, range: "bytes=0-99" } })).arrayBuffer();
    await until(async () => (await metric("model_server_requests_total", labels)) === before + 1);

    expect(await metric("model_server_sent_bytes_total", labels)).toBe(bytesBefore + 100);
    expect(await metric("model_server_request_duration_seconds_count", labels)).toBe(before + 1);
    const uploads = 'endpoint="/submit",status="202",outcome="accepted"';
    expect(await metric("model_server_received_bytes_total", uploads)).toBe(GROUP_BYTES);
  });

  test("get no new series from strangers", async () => {
    const series = async () =>
      (await server.registry.metrics()).split("\n").filter((line) => line.includes("endpoint="));
    await server.fetch("/nowhere");
    await fetch(`${server.url}/nowhere`);
    await server.fetch(`/model/chunks/${"0".repeat(64)}`, { headers: alice });
    await until(async () => (await series()).some((line) => line.includes('outcome="unknown_chunk"')));
    const before = (await series()).length;

    for (let index = 0; index < 30; index += 1) {
      await server.fetch(`/nowhere/${index}?x=${index}`);
      await fetch(`${server.url}/${index}`, { method: "PUT" });
      await server.fetch(`/model/chunks/${String(index).padStart(64, "0")}`, { headers: alice });
    }
    await until(async () => (await server.registry.metrics()).includes("model_server_requests_in_flight 0"));

    expect(await series()).toHaveLength(before);
  });
});

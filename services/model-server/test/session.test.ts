import { readdir, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { ChunkClient } from "@assay/checkpoint/download/chunk-client";
import { Inbox } from "@assay/checkpoint/inbox/inbox";
import type { SessionAgent } from "@assay/checkpoint/session/session-agent";
import { createSessionKeyPair } from "@assay/checkpoint/session/session-secrets";
import type { ChainView } from "@assay/core/chain-view";
import { type SessionKey, sessionKeyBytes } from "@assay/core/messages/session-key";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { configProblems } from "../src/config.ts";
import { distributeView, submissionView } from "./chain-views.ts";
import { undocumented } from "./documented.ts";
import { ALICE, BOB, pushHeaders, VERA } from "./miners.ts";
import { exchange } from "./raw-client.ts";
import { bytesOf, groupFile, refusalIn, ServerFixture, sha256Of, TOKEN, until } from "./server-fixture.ts";
import { ask, beginRawly, closed, sessionAgent, signedSessionKey } from "./sessions.ts";
import { wiretap } from "./wiretap.ts";

const GROUPS = [bytesOf("zero", 1_000_000), bytesOf("one", 1_000_000)] as const;
const redisUrl = "unix:///nowhere/redis.sock";
const alice = { "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };
const NEVER = new AbortController().signal;

const agents: SessionAgent[] = [];
afterEach(() => {
  for (const agent of agents.splice(0)) agent.destroy();
});

function agentOf(changes: Parameters<typeof sessionAgent>[0] = {}): SessionAgent {
  const agent = sessionAgent(changes);
  agents.push(agent);
  return agent;
}

/** A server that offers sessions under a key that its validator has signed. */
async function serving(
  args: readonly string[] = [],
  view: ChainView = distributeView(),
  key: Partial<SessionKey> = {},
): Promise<ServerFixture> {
  const server = await ServerFixture.start({ redisUrl, view, args: ["--session.enabled=true", ...args] });
  await server.publish(0, GROUPS);
  await server.serve();
  await server.setView({ ...view, sessionKey: await signedSessionKey(server, key) });
  return server;
}

async function ended(server: ServerFixture, outcome: string): Promise<void> {
  const line = `model_server_sessions_total{outcome="${outcome}"} 1\n`;
  await until(async () => (await server.registry.metrics()).includes(line));
}

describe("a server that offers none", () => {
  test("knows no such path, takes no upgrade, and leaves no key in the inbox", async () => {
    await using server = await ServerFixture.start({ redisUrl, view: distributeView() });
    await server.serve();
    const upgrade = `GET /session HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: Upgrade, close\r\nUpgrade: assay-session\r\nX-Session-Key: ${"A".repeat(43)}\r\n\r\n`;

    expect(await refusalIn(await server.fetch("/session"))).toEqual({ status: 404, error: "not_found" });
    expect(await exchange(server.url, upgrade)).toMatchObject({ status: "404", error: "not_found" });
    expect(await server.inboxFiles()).toEqual([]);
    await expect(ask(agentOf(), `${server.url}/health`)).rejects.toMatchObject({ code: "SESSION_REFUSED" });
  });

  test("removes what a server that did had left, so that nobody signs it", async () => {
    await using server = await ServerFixture.start({ redisUrl, view: distributeView() });
    const left = new Inbox(server.layout.inbox).sessionKeyPath;
    const former = await serving();
    const files = await former.inboxFiles();
    await former[Symbol.asyncDispose]();
    await server.serve();

    expect(files).toEqual(["session-key.json"]);
    await expect(readFile(left)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("has no TLS either: both together are refused in the configuration", () => {
    const problems = configProblems({
      ...({ offload: { kind: "none", presign_seconds: 60 }, trusted_proxies: [], serve_phases: [] } as object),
      rate_limit: {},
      transfers: {},
      connections: {},
      development: { no_auth: true },
      tls: { certificate: "a", key: "b" },
      session: { enabled: true },
    } as never);

    expect(problems.map(({ path }) => path)).toEqual(["session.enabled"]);
  });
});

describe("the key", () => {
  test("is given to anybody, as the validator signed it", async () => {
    await using server = await serving();
    const response = await fetch(`${server.url}/session`);
    const body = await response.text();
    const differences = undocumented("GET", "/session", { status: 200, headers: response.headers, body });

    expect(JSON.parse(body)).toMatchObject({ hotkey: VERA.hotkey, signed_block: 100, valid_until_block: 1_000_000 });
    expect([response.status, differences]).toEqual([200, []]);
  });

  test.each<[string, (key: SessionKey) => SessionKey | undefined]>([
    ["not signed yet", () => undefined],
    ["another process's", (key) => ({ ...key, public_key: createSessionKeyPair().publicKey })],
    ["another hotkey's", (key) => ({ ...key, hotkey: BOB.hotkey })],
    ["expired", (key) => ({ ...key, valid_until_block: 135 })],
  ])("that is %s is offered to nobody", async (_what, change) => {
    await using server = await serving();
    await server.setView(distributeView({ sessionKey: change(await signedSessionKey(server)) }));

    expect(await refusalIn(await fetch(`${server.url}/session`))).toEqual({
      status: 503,
      error: "session_unavailable",
    });
    await expect(ask(agentOf(), `${server.url}/health`)).rejects.toMatchObject({
      code: "SESSION_REFUSED",
      fields: { status: 503 },
    });
  });

  test.each<[string, Partial<SessionKey>, Parameters<typeof sessionAgent>[0]]>([
    ["belongs to another hotkey", {}, { hotkey: ALICE.hotkey }],
    ["expired by the client's block", { valid_until_block: 200 }, { block: () => 201 }],
    ["is signed at a block that is not yet", {}, { block: () => 90 }],
  ])("that %s is refused by the client, which says nothing more", async (_what, key, changes) => {
    await using server = await serving([], distributeView(), key);
    await using tap = await wiretap(server.url);

    await expect(ask(agentOf(changes), `${tap.url}/health`)).rejects.toMatchObject({ code: "SESSION_KEY_REFUSED" });
    expect(Buffer.concat(tap.toServer).toString("latin1")).not.toContain(TOKEN);
  });

  test("that somebody on the way puts in its place is refused", async () => {
    await using server = await serving();
    const own = { public_key: createSessionKeyPair().publicKey, hotkey: VERA.hotkey };
    const unsigned = { ...own, signed_block: 100, valid_until_block: 1_000_000 };
    const forged = JSON.stringify({ ...unsigned, signature: BOB.sign(sessionKeyBytes(unsigned)) });
    await using tap = await wiretap(server.url, (direction, chunk) =>
      direction === "toClient"
        ? Buffer.from(chunk.toString("latin1").replace(/(X-Session-Signed-Key: ).*(\r\n)/, `$1${forged}$2`), "latin1")
        : chunk,
    );

    await expect(ask(agentOf(), `${tap.url}/health`)).rejects.toMatchObject({ code: "SESSION_KEY_REFUSED" });
  });
});

describe("inside a session", () => {
  test("the project's client downloads, and nobody on the way reads a token or a weight", async () => {
    await using server = await serving();
    await using tap = await wiretap(server.url);
    const folder = join(server.layout.root, "client");
    const agent = agentOf();
    using client = new ChunkClient({
      serverUrl: tap.url,
      headersFor: () => ({ ...alice, authorization: `Bearer ${TOKEN}` }),
      httpAgent: agent,
      allowPrivateAddresses: true,
      parallel: 2,
      attempts: 2,
      retryMillis: 1,
      stallMillis: 5_000,
      deadlineMillis: 20_000,
    });
    await until(async () => (await ask(agent, `${tap.url}/model/manifest`, { headers: alice })).status === 200);
    const list = await client.list(NEVER);
    const file = list.files.find(({ expert_group }) => expert_group === 0);
    if (file === undefined) throw new Error("There is no group 0");
    const path = join(folder, "own");
    await client.fetch({ path, file, chunkBytes: list.chunk_bytes }, NEVER);
    const expected = Buffer.from(await groupFile(0, GROUPS[0]));

    expect(sha256Of(await readFile(path))).toBe(sha256Of(expected));
    const wire = Buffer.concat([...tap.toServer, ...tap.toClient]);
    expect(wire.includes(TOKEN)).toBe(false);
    expect(wire.includes(ALICE.hotkey)).toBe(false);
    expect(wire.includes(expected.subarray(500_000, 500_032))).toBe(false);
  });

  test("a file has its ranges, and several requests one connection", async () => {
    await using server = await serving();
    await using tap = await wiretap(server.url);
    const agent = agentOf();
    const expected = Buffer.from(await groupFile(0, GROUPS[0]));
    for (const start of [0, 200_000, 999_000]) {
      const headers = { ...alice, range: `bytes=${start}-${start + 999}` };
      const { status, body } = await ask(agent, `${tap.url}/model/partial`, { headers });
      expect([status, body.equals(expected.subarray(start, start + 1_000))]).toEqual([206, true]);
    }
    const handshakes = Buffer.concat(tap.toServer).toString("latin1").split("GET /session HTTP/1.1").length - 1;
    expect(handshakes).toBe(1);
  });

  test("a submission is taken, and stands", async () => {
    await using server = await serving([], submissionView());
    const content = Buffer.from(await groupFile(0, bytesOf("trained", 1_000_000)));
    const push = { method: "POST", headers: pushHeaders(ALICE, content), body: content };
    const { status, body } = await ask(agentOf(), `${server.url}/submit`, push);

    expect([status, JSON.parse(body.toString()).status]).toEqual([202, "accepted"]);
    const stored = await readFile(join(server.layout.inbox, `175/${ALICE.hotkey}.safetensors`));
    expect(sha256Of(stored)).toBe(sha256Of(content));
  });

  test("refusals are those of plain HTTP, and the connection ends cleanly", async () => {
    await using server = await serving([], submissionView());
    const content = await groupFile(0, bytesOf("trained", 1_000_000));
    const body = Buffer.from(content);
    const headers = { ...pushHeaders(ALICE, content), authorization: "Bearer wrong" };
    const refused = await ask(agentOf(), `${server.url}/submit`, { method: "POST", headers, body });
    const { socket, sealer, rest } = await beginRawly(server.url);
    socket.write(sealer.seal(Buffer.from("GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")));
    const { text, isEnded } = await rest();

    expect([refused.status, JSON.parse(refused.body.toString()).error]).toEqual([401, "unauthorized"]);
    expect([text.slice(0, 12), isEnded]).toEqual(["HTTP/1.1 401", true]);
  });

  test("plain HTTP goes on beside it", async () => {
    await using server = await serving();
    const response = await server.fetch("/model/partial", { headers: { ...alice, range: "bytes=0-9" } });

    expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([206, 10]);
  });

  test("a stop waits for a reply and for nobody who says nothing", async () => {
    await using server = await serving();
    const download = ask(agentOf(), `${server.url}/model/partial`, { headers: alice });
    const quiet = agentOf();
    await ask(quiet, `${server.url}/livez`);
    const stopped = server.stopServing();

    expect((await download).status).toBe(200);
    await stopped;
  });
});

describe("somebody on the way", () => {
  const request = Buffer.from(`GET /model/partial HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n`);
  const end = Buffer.from("\r\n");

  test.each<[string, string, (first: Buffer, second: Buffer) => readonly Uint8Array[]]>([
    ["changes a byte", "SESSION_RECORD_INVALID", (first, second) => [changed(first, 9), second]],
    ["changes a tag", "SESSION_RECORD_INVALID", (first, second) => [changed(first, first.length - 1), second]],
    ["changes a length", "SESSION_RECORD_INVALID", (first, second) => [changed(first, 3), second, first, second]],
    ["changes the order", "SESSION_RECORD_INVALID", (first, second) => [second, first]],
    ["repeats a record", "SESSION_RECORD_INVALID", (first, second) => [first, first, second]],
    ["leaves out a record", "SESSION_RECORD_INVALID", (_first, second) => [second]],
    ["puts in plain HTTP", "SESSION_RECORD_INVALID", () => [Buffer.from("GET /health HTTP/1.1\r\n\r\n")]],
    ["cuts the connection", "SESSION_TRUNCATED", (first) => [first]],
    ["cuts a record", "SESSION_TRUNCATED", (first, second) => [first, second.subarray(0, -1)]],
  ])("who %s ends the session, and is answered nothing", async (_what, code, alter) => {
    await using server = await serving();
    const { socket, sealer, rest } = await beginRawly(server.url);
    for (const bytes of alter(sealer.seal(request), sealer.seal(end))) socket.write(bytes);
    socket.end();

    expect(await rest()).toEqual({ text: "", isEnded: false });
    await ended(server, code);
  });

  test("who repeats a whole session makes another one, in which nothing is believed", async () => {
    await using server = await serving([], submissionView());
    const content = Buffer.from(await groupFile(0, bytesOf("trained", 1_000_000)));
    const push = { method: "POST", headers: pushHeaders(ALICE, content), body: content };
    await using tap = await wiretap(server.url);
    expect((await ask(agentOf(), `${tap.url}/submit`, push)).status).toBe(202);
    await rm(join(server.layout.inbox, "175"), { recursive: true });

    const socket = connect(Number(new URL(server.url).port), "127.0.0.1").resume();
    socket.write(Buffer.concat(tap.toServer));
    await closed(socket);
    await ended(server, "SESSION_RECORD_INVALID");
    expect((await server.inboxFiles()).filter((name) => name.startsWith("175"))).toEqual([]);
  });

  test("who changes or cuts an upload gets nothing into the inbox", async () => {
    await using server = await serving([], submissionView());
    const content = Buffer.from(await groupFile(0, bytesOf("trained", 1_000_000)));
    const push = { method: "POST", headers: pushHeaders(ALICE, content), body: content };
    await using tap = await wiretap(server.url, (direction, chunk, before) =>
      direction === "toServer" && before > 100_000 ? changed(chunk, 0) : chunk,
    );

    await expect(ask(agentOf(), `${tap.url}/submit`, push)).rejects.toThrow();
    await ended(server, "SESSION_RECORD_INVALID");
    await until(async () => (await readdir(join(server.layout.inbox, "uploads"))).length === 0);
    expect(await server.inboxFiles()).toEqual(["session-key.json"]);
  });

  test.each([
    ["changes a byte of a reply", "SESSION_RECORD_INVALID"],
    ["cuts a reply", "SESSION_TRUNCATED"],
  ])("who %s is noticed by the client", async (what, code) => {
    await using server = await serving();
    await using tap = await wiretap(server.url, (direction, chunk, before) => {
      if (direction === "toServer" || before < 200_000) return chunk;
      return what.startsWith("cuts") ? Buffer.alloc(0) : changed(chunk, 0);
    });
    const agent = agentOf();
    const errors: unknown[] = [];
    const asked = ask(agent, `${tap.url}/model/partial`, { headers: alice }).catch((error: unknown) =>
      errors.push(error),
    );
    if (what.startsWith("cuts")) {
      await until(() => tap.toClient.length > 4);
      await tap[Symbol.asyncDispose]();
    }
    await asked;

    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ code: expect.stringMatching(`${code}|ECONNRESET`) });
  });
});

describe("limits", () => {
  test("of an address count requests inside as those outside, and the handshake too", async () => {
    await using server = await serving(["--rate_limit.requests=4"]);
    const agent = agentOf();
    const statuses: unknown[] = [];
    for (let n = 0; n < 4; n += 1) statuses.push((await ask(agent, `${server.url}/model/full`)).status);

    expect(statuses).toEqual([403, 403, 403, 429]);
    expect(await refusalIn(await server.fetch("/model/full"))).toEqual({ status: 429, error: "rate_limited" });
    await expect(ask(agentOf(), `${server.url}/health`)).rejects.toMatchObject({ fields: { status: 429 } });
  });

  test("of connections count a session once, and give its place back", async () => {
    await using server = await serving(["--connections.max_per_address=2"]);
    const sessions = [await beginRawly(server.url), await beginRawly(server.url)];
    await expect(beginRawly(server.url)).rejects.toThrow();

    for (const { socket } of sessions) socket.destroy();
    await until(async () => (await server.registry.metrics()).includes('outcome="SESSION_TRUNCATED"} 2\n'));
    const { socket, sealer, rest } = await beginRawly(server.url);
    socket.write(sealer.seal(Buffer.from("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")));
    expect(await rest()).toMatchObject({ text: expect.stringMatching("^HTTP/1.1 200"), isEnded: true });
  });

  test("go by whom a proxy named outside, whatever is said inside", async () => {
    await using server = await serving(["--trusted_proxies=127.0.0.1", "--rate_limit.requests=2"]);
    const { socket, sealer, rest } = await beginRawly(server.url, { "X-Forwarded-For": "192.0.2.1" });
    for (const [said, connection] of Object.entries({ "192.0.2.2": "keep-alive", "192.0.2.3": "close" })) {
      const head = `GET /docs HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ${said}\r\nConnection: ${connection}\r\n\r\n`;
      socket.write(sealer.seal(Buffer.from(head)));
    }
    const { text } = await rest();

    expect(text.match(/^HTTP\/1.1 \d+/gm)).toEqual(["HTTP/1.1 200", "HTTP/1.1 429"]);
  });
});

test.each<[string, Record<string, string>, string]>([
  ["without a key", { "X-Session-Key": "" }, "400"],
  ["with a key of small order", { "X-Session-Key": "A".repeat(43) }, "400"],
  ["for another protocol", { Upgrade: "h2c" }, "400"],
  ["with a body", { "Content-Length": "3" }, "400"],
])("a handshake %s is refused", async (_what, headers, status) => {
  await using server = await serving();
  await expect(beginRawly(server.url, headers)).rejects.toThrow(`HTTP/1.1 ${status} `);
});

test("an upgrade of another path is refused, and the server goes on", async () => {
  await using server = await serving();
  const request = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

  expect(await exchange(server.url, request)).toMatchObject({ status: "400", error: "header_invalid" });
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
});

test.each([
  ["/session", "another"],
  ["/health", "the websocket"],
])("an upgrade of %s right behind an unanswered request ends the connection, and the server goes on", async (path) => {
  await using server = await serving();
  const upgrade = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: assay-session\r\nX-Session-Key: ${createSessionKeyPair().publicKey}\r\n\r\n`;
  for (const first of ["/health", "/session", "/docs", "/nowhere"]) {
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1").resume();
    const request = `GET ${first} HTTP/1.1\r\nHost: x\r\n\r\n`;
    socket.write(`${request}${request}${request}${upgrade}`);
    await closed(socket);
  }

  await until(async () => (await server.registry.metrics()).includes("model_server_requests_in_flight 0\n"));
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
});

test("any bytes after a handshake, and any handshake, end in a closed connection and nothing worse", async () => {
  await using server = await serving(["--rate_limit.requests=1000000"]);
  const anyKey = fc.oneof(fc.string({ maxLength: 60 }), fc.uint8Array({ minLength: 32, maxLength: 32 }).map(base64Url));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 4 }), anyKey, async (chunks, key) => {
      const { socket, rest } = await beginRawly(server.url);
      for (const chunk of chunks) socket.write(chunk);
      socket.end();
      expect(await rest()).toEqual({ text: "", isEnded: false });
      const printable = key.replaceAll(/[^\x21-\x7e]/g, "");
      const head = `GET /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: assay-session\r\nX-Session-Key: ${printable}\r\n\r\n`;
      const other = connect(Number(new URL(server.url).port), "127.0.0.1").resume();
      other.end(Buffer.concat([Buffer.from(head), ...chunks]));
      await closed(other);
    }),
    { numRuns: 400 },
  );
  const metrics = await server.registry.metrics();

  expect(metrics).not.toContain('status="500"');
  expect(metrics).toContain("model_server_requests_in_flight 0");
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  expect(await server.inboxFiles()).toEqual(["session-key.json"]);
});

function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

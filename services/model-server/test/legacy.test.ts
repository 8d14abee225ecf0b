import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { startHttpServer } from "@assay/runtime/http/server";
import express from "express";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openForm } from "../src/legacy/multipart.ts";
import { distributeView, submissionView } from "./chain-views.ts";
import {
  ALICE,
  BOB,
  type Keypair,
  legacyDownloadFields,
  legacyForm,
  legacyUploadFields,
  NELL,
  VERA,
} from "./miners.ts";
import { exchange, getWithForm } from "./raw-client.ts";
import { bytesOf, groupFile, refusalIn, ServerFixture, sha256Of, sharedFile, TOKEN, until } from "./server-fixture.ts";

const GROUPS = [bytesOf("zero", 200_000), bytesOf("one", 200_000)] as const;
const redisUrl = "unix:///nowhere/redis.sock";
const LEGACY = "--compatibility.legacy_routes=true";

async function serving(args: readonly string[] = [LEGACY]): Promise<ServerFixture> {
  const server = await ServerFixture.start({ redisUrl, view: submissionView(), args });
  await server.publish(0, GROUPS);
  return await server.serve();
}

let content: Uint8Array;
beforeAll(async () => {
  content = await groupFile(0, bytesOf("trained", 200_000));
});

test.each(["/ping", "/get-checkpoint", "/submit-checkpoint"])(
  "%s is not there unless it is asked for",
  async (path) => {
    await using server = await serving([]);
    const method = path === "/submit-checkpoint" ? "POST" : "GET";

    expect(await refusalIn(await server.fetch(path, { method }))).toEqual({ status: 404, error: "not_found" });
  },
);

describe("with legacy routes", () => {
  let server: ServerFixture;
  beforeAll(async () => {
    server = await serving([LEGACY, "--max_submission_bytes=1000000", "--rate_limit.requests=1000000"]);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("ping answers without a token", async () => {
    const response = await fetch(`${server.url}/ping`);
    expect([response.status, await response.json()]).toEqual([200, { status: "ok" }]);
  });

  describe("get-checkpoint", () => {
    beforeEach(() => server.setView(distributeView()));

    const get = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
      getWithForm(`${server.url}/get-checkpoint`, fields, { authorization: `Bearer ${TOKEN}`, ...headers });

    test("gives its signer's group, with the older headers and ranges", async () => {
      const expected = Buffer.from(await groupFile(0, GROUPS[0]));
      const fields = { ...legacyDownloadFields(ALICE), expert_group_id: "0" };
      const whole = await get(fields);
      const rest = await get(fields, { range: "bytes=1000-" });

      expect(Buffer.from(await whole.arrayBuffer()).equals(expected)).toBe(true);
      expect(Object.fromEntries(whole.headers)).toMatchObject({
        "content-type": "application/octet-stream",
        "content-disposition": 'attachment; filename="step0"',
        "x-accel-buffering": "no",
        etag: `"${sha256Of(expected)}"`,
      });
      expect(rest.status).toBe(206);
      expect(Buffer.from(await rest.arrayBuffer()).equals(expected.subarray(1000))).toBe(true);
    });

    test("gives what belongs to no group, and the whole model only where miners may have it", async () => {
      const shared = await get({ ...legacyDownloadFields(ALICE), expert_group_id: "shared" });

      expect(Buffer.from(await shared.arrayBuffer()).equals(Buffer.from(await sharedFile()))).toBe(true);
      expect(await refusalIn(await get(legacyDownloadFields(VERA)))).toEqual({
        status: 403,
        error: "part_not_offered",
      });
    });

    test.each<[string, Record<string, string>, number, string]>([
      ["another group than its signer's", { expert_group_id: "1" }, 403, "group_mismatch"],
      ["a group that is none", { expert_group_id: "7" }, 404, "unknown_group"],
      ["a group that is no number", { expert_group_id: "all" }, 400, "body_invalid"],
      ["a block that is no number", { origin_block: "1e2" }, 400, "body_invalid"],
      ["another signer's name", { origin_hotkey_ss58: BOB.hotkey }, 403, "signature_invalid"],
      ["another block than was signed", { origin_block: "137" }, 403, "signature_invalid"],
    ])("refuses %s", async (_case, changes, status, error) => {
      const fields = { ...legacyDownloadFields(ALICE), expert_group_id: "0", ...changes };
      expect(await refusalIn(await get(fields))).toEqual({ status, error });
    });

    test("refuses a body that is no such form", async () => {
      const headers = { "content-type": "application/json" };
      expect(await refusalIn(await get({}, headers))).toEqual({ status: 400, error: "content_type_unsupported" });
      expect(await refusalIn(await server.fetch("/get-checkpoint"))).toMatchObject({ status: 400 });
      expect(await refusalIn(await get({ x: "y".repeat(17_000) }))).toEqual({ status: 413, error: "too_large" });
    });
  });
});

describe("submit-checkpoint", () => {
  let server: ServerFixture;
  let cycle = 3;
  beforeAll(async () => {
    server = await serving([LEGACY, "--max_submission_bytes=1000000", "--rate_limit.requests=1000000"]);
  });
  afterAll(() => server[Symbol.asyncDispose]());
  /** Every case has a round of its own, and the round's second block to sign. */
  let round = 0;
  beforeEach(async () => {
    cycle += 1;
    round = cycle * 50 + 40;
    const phase = { phaseFirstBlock: round, phaseLastBlock: round + 4, nextDistributeBlock: (cycle + 1) * 50 };
    await server.setView(submissionView({ cycle, block: round + 1, ...phase, nextSubmissionBlock: round + 50 }));
  });

  const fieldsOf = (miner: Keypair, bytes = content) => legacyUploadFields(miner, bytes, { blockNumber: round + 1 });
  const submit = (form: FormData) => server.fetch("/submit-checkpoint", { method: "POST", body: form });
  const filesOfRound = async () => (await server.inboxFiles()).filter((name) => name.startsWith(`${round}/`));

  async function expectNothing(): Promise<void> {
    await until(async () => (await server.inboxFiles()).every((name) => !name.startsWith("uploads/")));
    expect(await filesOfRound()).toEqual([]);
  }

  test("takes a file as a submission, with the older reply, as often as it is sent", async () => {
    const form = () => legacyForm(fieldsOf(ALICE), content);
    const reply = {
      status: "ok",
      stored_path: `${round}/${ALICE.hotkey}.safetensors`,
      bytes: content.length,
      sha256: sha256Of(content),
    };
    for (let time = 0; time < 2; time += 1) {
      const response = await submit(form());
      expect([response.status, await response.json()]).toEqual([200, reply]);
    }

    expect(await filesOfRound()).toEqual([`${round}/${ALICE.hotkey}.json`, reply.stored_path]);
    expect(sha256Of(await readFile(`${server.layout.inbox}/${reply.stored_path}`))).toBe(sha256Of(content));
    expect(JSON.parse(await readFile(`${server.layout.inbox}/${round}/${ALICE.hotkey}.json`, "utf8"))).toMatchObject({
      hotkey: ALICE.hotkey,
      group: 0,
      signedForm: "upload",
      source: { kind: "push", sha256: sha256Of(content) },
    });
    const short = `${ALICE.hotkey.slice(0, 5)}...`;
    const line = `[INFO] POST /submit-checkpoint | hotkey: ${short} | group: 0 | block: ${round + 1} | accepted | `;
    expect(server.logger.lines().filter((each) => each.startsWith(line))).toHaveLength(1);
    const other = await groupFile(0, bytesOf("other", 200_000));
    const changed = await submit(legacyForm(fieldsOf(ALICE, other), other));
    expect(await refusalIn(changed)).toEqual({ status: 409, error: "duplicate" });
  });

  test.each<[string, string, number, string]>([
    ["a pickle by its name", "model_expgroup_0.pt", 400, "file_type_unsupported"],
    ["a name without an ending", "model", 400, "file_type_unsupported"],
    ["a name that is none", "mo del.safetensors", 400, "file_type_unsupported"],
  ])("refuses %s", async (_case, name, status, error) => {
    expect(await refusalIn(await submit(legacyForm(fieldsOf(ALICE), content, name)))).toEqual({ status, error });
    await expectNothing();
  });

  test("refuses a pickle under another name by its first bytes", async () => {
    const pickle = Buffer.concat([Buffer.from("PK\u0003\u0004"), bytesOf("pickle", content.length)]).subarray(
      0,
      content.length,
    );
    expect(await refusalIn(await submit(legacyForm(fieldsOf(ALICE, pickle), pickle)))).toEqual({
      status: 422,
      error: "malformed",
    });
    await expectNothing();
  });

  test.each<[string, Record<string, string>, number, string]>([
    ["the hash over tensors", { model_hex: "ab".repeat(24) }, 400, "body_invalid"],
    ["another file's hash", { model_hex: "ab".repeat(32) }, 403, "signature_invalid"],
    ["a block message of something else", { block_hex: "00".repeat(40) }, 400, "body_invalid"],
    ["a signature that is none", { signature: "x" }, 400, "body_invalid"],
    ["a field of kilobytes", { signature: "A".repeat(2_000) }, 400, "body_invalid"],
    ["too many fields", Object.fromEntries(range(20).map((n) => [`f${n}`, "x"])), 400, "body_invalid"],
  ])("refuses %s", async (_case, changes, status, error) => {
    const response = await submit(legacyForm({ ...fieldsOf(ALICE), ...changes }, content));
    expect(await refusalIn(response)).toEqual({ status, error });
    await expectNothing();
  });

  test("refuses kilobytes before the file while they come", async () => {
    const client = httpRequest(`${server.url}/submit-checkpoint`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "multipart/form-data; boundary=x" },
    });
    client.write("y".repeat(20_000));
    const [response] = (await once(client, "response")) as [IncomingMessage];

    expect(response.statusCode).toBe(413);
    client.on("error", () => undefined).destroy();
  });

  test("refuses bytes that are not those signed, of a miner that committed nothing, and more than can be", async () => {
    const other = await groupFile(0, bytesOf("other", 200_000));
    const long = bytesOf("long", 1_500_000);
    const swapped = await submit(legacyForm(fieldsOf(ALICE), other));
    const uncommitted = await submit(legacyForm(fieldsOf(NELL), content));
    const tooLong = await submit(legacyForm(fieldsOf(ALICE, long), long));

    expect(await refusalIn(swapped)).toEqual({ status: 400, error: "content_hash_mismatch" });
    expect(await refusalIn(uncommitted)).toEqual({ status: 400, error: "not_committed" });
    expect((await refusalIn(tooLong)).status).toBeGreaterThanOrEqual(413);
    await expectNothing();
  });

  test("refuses a form whose file comes first, twice the same field, and no file", async () => {
    const first = new FormData();
    first.append("file", new Blob([Buffer.from(content)]), "model.safetensors");
    for (const [name, value] of Object.entries(fieldsOf(ALICE))) first.append(name, value);
    const twice = legacyForm({}, content);
    twice.append("signature", "a");
    const none = new FormData();
    for (const [name, value] of Object.entries(fieldsOf(ALICE))) none.append(name, value);
    const doubled = new FormData();
    for (const name of ["signature", "signature"]) doubled.append(name, "A");
    doubled.append("file", new Blob(["x"]), "model.safetensors");

    for (const form of [first, twice, none, doubled]) {
      expect(await refusalIn(await submit(form))).toEqual({ status: 400, error: "body_invalid" });
    }
    await expectNothing();
  });

  test("refuses what is no form", async () => {
    for (const type of ["application/octet-stream", "multipart/form-data", "multipart/form-data; boundary", ""]) {
      const headers = { "content-type": type };
      const response = await server.fetch("/submit-checkpoint", {
        method: "POST",
        headers,
        body: Buffer.from(content),
      });
      expect(await refusalIn(response)).toEqual({ status: 400, error: "content_type_unsupported" });
    }
    const headers = { "content-type": "multipart/form-data; boundary=x" };
    const noise = await server.fetch("/submit-checkpoint", { method: "POST", headers, body: "no boundary at all" });
    expect(await refusalIn(noise)).toEqual({ status: 400, error: "body_invalid" });
    await expectNothing();
  });

  /** The form's bytes, and where its file begins and ends in them. */
  async function encoded(): Promise<{ type: string; bytes: Buffer; begin: number; end: number }> {
    const request = new Request("http://x/", { method: "POST", body: legacyForm(fieldsOf(ALICE), content) });
    const bytes = Buffer.from(await request.arrayBuffer());
    const begin = bytes.indexOf(content.subarray(0, 64));
    return { type: request.headers.get("content-type") ?? "", bytes, begin, end: begin + content.length };
  }

  test.each(["in its fields", "in its file", "before its last line"] as const)(
    "refuses a form that breaks off %s",
    async (where) => {
      const { type, bytes, begin, end } = await encoded();
      const at = { "in its fields": begin - 400, "in its file": begin + 90_000, "before its last line": end }[where];
      const head = `POST /submit-checkpoint HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nConnection: close\r\n`;
      const headers = `Content-Type: ${type}\r\nContent-Length: ${at}\r\n\r\n`;
      const answer = await exchange(server.url, Buffer.concat([Buffer.from(head + headers), bytes.subarray(0, at)]));

      expect([answer.status, answer.error]).toEqual(["400", "body_invalid"]);
      await expectNothing();
    },
  );

  test("a client that goes away at any byte leaves nothing, and may come again", async () => {
    const { type, bytes, begin, end } = await encoded();
    for (const sent of [1, begin - 400, begin + 1, begin + 100_000, end - 1, end + 2]) {
      const client = httpRequest(`${server.url}/submit-checkpoint`, {
        method: "POST",
        headers: { authorization: `Bearer ${TOKEN}`, "content-type": type, "content-length": bytes.length },
      });
      client.on("error", () => undefined);
      await new Promise((resolve) => client.write(bytes.subarray(0, sent), resolve));
      client.destroy();
      await until(async () => (await server.registry.metrics()).includes("model_server_requests_in_flight 0"));
      await expectNothing();
    }
    expect((await submit(legacyForm(fieldsOf(ALICE), content))).status).toBe(200);
  });
});

test("a form whose fields do not come is given up", async () => {
  const result = Promise.withResolvers<Awaited<ReturnType<typeof openForm>>>();
  const app = express().post("/", (request, response) => {
    openForm(request, response, 50).then(result.resolve, result.reject);
  });
  const server = await startHttpServer(app, { host: "127.0.0.1", port: 0, closeGraceMs: 50 });
  const headers = { "content-type": "multipart/form-data; boundary=x" };
  const client = httpRequest(`${server.url}/`, { method: "POST", headers }).on("error", () => undefined);
  client.write("--x\r\n");
  await once(client, "socket");

  expect(await result.promise).toMatchObject({ status: 408, code: "request_timeout" });
  client.destroy();
  await server.close();
});

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}

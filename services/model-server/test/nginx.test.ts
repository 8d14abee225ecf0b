import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { freePort } from "@assay/localnet/stage/free-port";
import { NGINX, type NginxOptions, type RunningNginx, startNginx } from "@assay/testing/network/nginx";
import { type PrivateRedis, startPrivateRedis } from "@assay/testing/redis/private-redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { distributeView, submissionView } from "./chain-views.ts";
import { ALICE, pushHeaders } from "./miners.ts";
import { bytesOf, fullFile, groupFile, ServerFixture, sha256Of, TOKEN, until } from "./server-fixture.ts";

const VALUES = [bytesOf("group 0", 3_808), bytesOf("group 1", 3_808)] as const;
const GROUP_0 = await groupFile(0, VALUES[0]);
const alice = { "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };
/** More than sockets hold. */
const LARGE = [bytesOf("large", 24_000_000), bytesOf("also large", 24_000_000)] as const;

let redis: PrivateRedis;
beforeAll(async () => {
  redis = await startPrivateRedis();
});
afterAll(() => redis.stop());

class Stage implements AsyncDisposable {
  readonly server: ServerFixture;
  readonly nginx: RunningNginx;

  constructor(server: ServerFixture, nginx: RunningNginx) {
    this.server = server;
    this.nginx = nginx;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.nginx.stop();
    await this.server[Symbol.asyncDispose]();
  }

  get folder(): string {
    return join(this.server.layout.root, "offload");
  }

  /** With the token, unless `headers` say otherwise. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${TOKEN}`, ...(init.headers as Record<string, string> | undefined) };
    return fetch(`${this.nginx.url}${path}`, { ...init, headers });
  }

  /** Until nginx sends it. */
  async prepared(path = "/model/partial", headers: Record<string, string> = alice): Promise<void> {
    await until(async () => {
      const response = await this.fetch(path, { headers });
      await response.arrayBuffer();
      return response.status === 200 && response.headers.get("server") === "nginx" && (await this.#handsOver(path));
    });
  }

  async #handsOver(path: string): Promise<boolean> {
    return this.server.logger.records.some(({ message }) => message === `GET ${path.split("?")[0]} handed over`);
  }
}

interface StageOptions extends Pick<NginxOptions, "tls" | "limits"> {
  readonly values?: readonly [Uint8Array, Uint8Array];
  readonly args?: readonly string[];
  readonly view?: ReturnType<typeof distributeView>;
}

async function stage({ values = VALUES, args = [], view = distributeView(), ...rest }: StageOptions = {}) {
  const all = ["--offload.kind=nginx", "--trusted_proxies=127.0.0.1", ...args];
  const server = await ServerFixture.start({ redisUrl: redis.url, view, args: all });
  await server.publish(0, values);
  await server.serve();
  const folder = join(server.layout.root, "offload");
  const upstreamPort = Number(new URL(server.url).port);
  return new Stage(server, await startNginx({ port: await freePort(), upstreamPort, folder, ...rest }));
}

/** From another address of this machine than the proxy's. */
async function withoutProxy({ url }: ServerFixture): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const headers = { authorization: `Bearer ${TOKEN}`, ...alice };
  httpRequest(`${url}/model/partial`, { headers, localAddress: "127.0.0.2" }, (response) => {
    buffer(response).then(resolve, reject);
  })
    .once("error", reject)
    .end();
  return await promise;
}

/** A download whose body nobody reads. */
async function unread(url: string): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { authorization: `Bearer ${TOKEN}`, ...alice };
  httpRequest(`${url}/model/partial`, { headers, agent: false }, resolve).once("error", reject).end();
  return await promise;
}

// Of what is missing, conditional-requests.test.ts says so once.
describe.skipIf(NGINX === null)("behind nginx", () => {
  test("a file is nobody's who asks nginx for it by its name", async () => {
    await using one = await stage();
    await one.prepared();

    for (const kind of ["whole", "range"]) {
      const response = await one.fetch(`/_assay/${kind}/${sha256Of(GROUP_0)}`, { headers: alice });
      expect([kind, response.status]).toEqual([kind, 404]);
      expect(await response.text()).not.toContain("safetensors");
    }
  });

  test("what the model server refuses is refused, also when the file lies there", async () => {
    await using one = await stage();
    await one.prepared();
    const refusal = async (headers: Record<string, string>) => {
      const response = await one.fetch("/model/partial", { headers });
      return [response.status, ((await response.json()) as { error: string }).error];
    };

    expect(await refusal({ ...alice, authorization: "Bearer wrong" })).toEqual([401, "unauthorized"]);
    expect(await refusal({ ...alice, "x-expert-group": "1" })).toEqual([403, "group_mismatch"]);
    await one.server.setView(submissionView());
    const response = await one.fetch("/model/partial", { headers: alice });
    expect([response.status, response.headers.get("x-retry-block")]).toEqual([503, "180"]);
    expect(response.headers.get("retry-after")).toBe("48");
  });

  test("says what was handed over, and nginx what went out", async () => {
    await using one = await stage();
    await one.prepared();
    const before = one.server.logger.records.length;
    const range = { ...alice, range: "bytes=1000-1999" };

    const response = await one.fetch("/model/partial", { headers: range });

    expect([response.status, (await response.bytes()).length]).toEqual([206, 1000]);
    const [line] = one.server.logger.records.slice(before);
    expect(line?.message).toBe("GET /model/partial handed over");
    expect(line?.fields).toMatchObject({ group: 0, bytes: 1000, resumed: true, to: "nginx" });
    const metrics = await one.server.registry.metrics();
    expect(metrics).toMatch(
      /model_server_model_handed_over_bytes_total\{endpoint="\/model\/partial",to="nginx"\} (?:5000|9000)\n/,
    );
    await until(async () => (await one.nginx.accessLog()).includes("bytes=1000 seconds="));
    expect(await one.nginx.accessLog()).toContain(`hotkey="${ALICE.hotkey}" sent=nginx`);
  });

  test("who comes without the proxy gets the bytes from the model server", async () => {
    await using one = await stage();
    await one.prepared();

    expect(await withoutProxy(one.server)).toEqual(Buffer.from(GROUP_0));
  });

  test("the address that counts is the one nginx sees, whatever X-Forwarded-For the client made up", async () => {
    await using one = await stage({ args: ["--rate_limit.requests=3"] });
    const statuses: number[] = [];
    for (const made of ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"]) {
      const response = await one.fetch("/model/partial", { headers: { ...alice, "x-forwarded-for": made } });
      statuses.push(response.status);
      await response.arrayBuffer();
    }

    expect(statuses).toEqual([200, 200, 200, 429]);
  });

  test("a new version is served from its own file, and the one before stays for a while", async () => {
    await using one = await stage();
    await one.prepared();
    const next = bytesOf("newer", 3_808);
    await one.server.publish(1, [next, VALUES[1]]);
    const newer = await groupFile(0, next);

    await until(async () => {
      const response = await one.fetch("/model/partial", { headers: alice });
      return Buffer.from(await response.arrayBuffer()).equals(newer);
    });
    await until(
      () => one.server.logger.records.filter(({ message }) => message === "Wrote a file to serve").length > 1,
    );
    const response = await one.fetch("/model/partial", { headers: alice });

    expect(response.headers.get("etag")).toBe(`"${sha256Of(newer)}"`);
    expect(await response.bytes()).toEqual(newer);
  });

  test("a file that is gone is a passing refusal in the server's own words, not nginx's", async () => {
    await using one = await stage();
    await one.prepared();
    await rm(join(one.folder, sha256Of(GROUP_0)));

    const response = await one.fetch("/model/partial", { headers: alice });

    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "12"]);
    expect(response.headers.get("etag")).toBeNull();
    expect(await response.json()).toMatchObject({ error: "model_unavailable" });
  });

  test("downloads of one hotkey beyond its share are refused until one ends", async () => {
    await using one = await stage({ values: LARGE, limits: { hotkey: 1, address: 8, all: 8 } });
    await one.prepared();
    const slow = await unread(one.nginx.url);

    const refused = await one.fetch("/model/partial", { headers: alice });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
    expect(await refused.json()).toMatchObject({ error: "server_busy" });

    slow.destroy();
    await until(async () => {
      const response = await one.fetch("/model/partial", { headers: alice });
      await response.body?.cancel();
      return response.status === 200;
    });
  });

  test("the whole model goes the same way", async () => {
    await using one = await stage({ args: ["--allow_context=true"] });
    const path = "/model/partial?part=context";
    await one.prepared(path, { "x-hotkey": ALICE.hotkey });

    const response = await one.fetch(path, { headers: { "x-hotkey": ALICE.hotkey } });
    expect(await response.bytes()).toEqual(await fullFile(VALUES));
  });

  test("a submission passes through, and one that is refused is refused in the server's words", async () => {
    await using one = await stage({ view: submissionView() });
    const content = await groupFile(0, bytesOf("trained", 3_808));
    const push = (headers: Record<string, string>) =>
      one.fetch("/submit", { method: "POST", headers, body: Buffer.from(content) });

    const refused = await push({ ...pushHeaders(ALICE, content), "x-target": "another" });
    expect([refused.status, await refused.json()]).toMatchObject([403, { error: "wrong_target" }]);
    const accepted = await push(pushHeaders(ALICE, content));
    expect([accepted.status, await accepted.json()]).toMatchObject([202, { status: "accepted" }]);
  });

  test("speaks TLS with the certificate of its configuration", async () => {
    const folder = await mkdtemp(join(tmpdir(), "assay-nginx-tls-"));
    const tls = { certificate: join(folder, "cert.pem"), key: join(folder, "key.pem") };
    const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    const files = ["-keyout", tls.key, "-out", tls.certificate];
    await promisify(execFile)("openssl", ["req", ...kind, "-subj", "/CN=validator.example", ...files]);
    await using one = await stage({ tls });
    const headers = { authorization: `Bearer ${TOKEN}`, ...alice };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();

    httpsRequest(`${one.nginx.url}/model/partial`, { headers, rejectUnauthorized: false }, resolve)
      .once("error", reject)
      .end();

    const answer = await promise;
    expect(answer.socket).toMatchObject({ encrypted: true });
    expect(await buffer(answer)).toEqual(Buffer.from(GROUP_0));
    await rm(folder, { recursive: true });
  });
});

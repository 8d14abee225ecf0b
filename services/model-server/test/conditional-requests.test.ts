import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { freePort } from "@assay/localnet/stage/free-port";
import { NGINX, type RunningNginx, startNginx } from "@assay/testing/network/nginx";
import { type PrivateRedis, startPrivateRedis } from "@assay/testing/redis/private-redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { distributeView } from "./chain-views.ts";
import { ALICE } from "./miners.ts";
import { bytesOf, groupFile, ServerFixture, sha256Of, TOKEN, until } from "./server-fixture.ts";

const VALUES = [bytesOf("group 0", 3_808), bytesOf("group 1", 3_808)] as const;
const FILE = await groupFile(0, VALUES[0]);
const TAG = `"${sha256Of(FILE)}"`;

let redis: PrivateRedis;
beforeAll(async () => {
  redis = await startPrivateRedis();
});
afterAll(() => redis.stop());

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Without a client that adds headers of its own. */
async function ask(url: string, method: string, headers: Record<string, string>): Promise<Answer> {
  const own = { authorization: `Bearer ${TOKEN}`, "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = httpRequest(`${url}/model/partial`, { method, headers: { ...own, ...headers } }, (response) => {
    buffer(response).then((body) => resolve({ status: response.statusCode, headers: response.headers, body }), reject);
  });
  sent.once("error", reject).end();
  return await promise;
}

/** What RFC 9110, sections 13 and 14, says of a file of 4,000 bytes; null for the whole of it. */
const CASES: readonly (readonly [string, Record<string, string>, number, readonly [number, number] | null])[] = [
  ["no condition", {}, 200, null],
  ["first byte", { range: "bytes=0-0" }, 206, [0, 0]],
  ["from the middle", { range: "bytes=1000-" }, 206, [1000, 3999]],
  ["inside", { range: "bytes=191-192" }, 206, [191, 192]],
  ["beyond the end is cut there", { range: "bytes=3990-9999" }, 206, [3990, 3999]],
  ["the last bytes", { range: "bytes=-10" }, 206, [3990, 3999]],
  ["more last bytes than there are", { range: "bytes=-9999" }, 206, [0, 3999]],
  ["several ranges, even if they touch", { range: "bytes=0-9,10-19" }, 200, null],
  ["ranges apart", { range: "bytes=0-9,100-109" }, 200, null],
  ["backwards", { range: "bytes=9-0" }, 200, null],
  ["behind the end", { range: "bytes=4000-" }, 416, null],
  ["no last bytes", { range: "bytes=-0" }, 416, null],
  ["no range at all", { range: "bytes=" }, 200, null],
  ["no number", { range: "bytes=-" }, 200, null],
  ["a number that is none", { range: "bytes=0x1-" }, 200, null],
  ["another unit", { range: "items=9999-" }, 200, null],
  ["no unit", { range: "0-9" }, 200, null],
  ["If-Range holds", { range: "bytes=9-", "if-range": TAG }, 206, [9, 3999]],
  ["If-Range of another version", { range: "bytes=9-", "if-range": '"0"' }, 200, null],
  ["weak If-Range", { range: "bytes=9-", "if-range": `W/${TAG}` }, 200, null],
  ["If-Range with a date", { range: "bytes=9-", "if-range": "Thu, 01 Jan 2026 00:00:00 GMT" }, 200, null],
  ["If-Range fails and the range is nonsense", { range: "bytes=4000-", "if-range": '"0"' }, 200, null],
  ["If-None-Match holds", { "if-none-match": TAG }, 304, null],
  ["weak If-None-Match holds", { "if-none-match": `W/${TAG}` }, 304, null],
  ["If-None-Match in a list", { "if-none-match": `"0", ${TAG}` }, 304, null],
  ["If-None-Match of anything", { "if-none-match": "*" }, 304, null],
  ["If-None-Match of another", { "if-none-match": '"0"' }, 200, null],
  ["If-None-Match before Range", { "if-none-match": TAG, range: "bytes=9-" }, 304, null],
  ["If-None-Match of another, and Range", { "if-none-match": '"0"', range: "bytes=9-" }, 206, [9, 3999]],
  ["If-Match holds", { "if-match": TAG }, 200, null],
  ["If-Match in a list", { "if-match": `"0", ${TAG}`, range: "bytes=9-" }, 206, [9, 3999]],
  ["If-Match of anything", { "if-match": "*" }, 200, null],
  ["If-Match of another", { "if-match": '"0"' }, 412, null],
  ["weak If-Match", { "if-match": `W/${TAG}` }, 412, null],
  ["If-Match of another before If-None-Match", { "if-match": '"0"', "if-none-match": TAG }, 412, null],
];

const HEAD_CASES: readonly (readonly [string, Record<string, string>, number, string | undefined])[] = [
  ["no condition", {}, 200, "4000"],
  ["a range means nothing", { range: "bytes=1000-" }, 200, "4000"],
  ["nor one behind the end", { range: "bytes=4000-" }, 200, "4000"],
  ["If-None-Match holds", { "if-none-match": TAG }, 304, undefined],
];

function answersAsHttpSays(url: () => string): void {
  test.each(CASES)("GET: %s", async (_name, headers, status, range) => {
    const answer = await ask(url(), "GET", headers);

    expect(answer.status).toBe(status);
    if (range !== null) {
      const [first, last] = range;
      expect(answer.body).toEqual(Buffer.from(FILE.subarray(first, last + 1)));
      expect(answer.headers["content-range"]).toBe(`bytes ${first}-${last}/4000`);
      expect(answer.headers["content-length"]).toBe(String(last + 1 - first));
    }
    if (status === 200) expect(answer.body).toEqual(Buffer.from(FILE));
    if (status === 304) expect([answer.body.length, answer.headers["content-type"]]).toEqual([0, undefined]);
    if (status === 416) expect(answer.headers["content-range"]).toBe("bytes */4000");
    if (status < 400) expect(answer.headers.etag).toBe(TAG);
    else expect(answer.headers.etag).toBeUndefined();
    if (status === 200 || status === 206) {
      expect(answer.headers).toMatchObject({
        "content-type": "application/octet-stream",
        "cache-control": "private, no-cache",
        "x-content-hash": `sha256:${sha256Of(FILE)}`,
      });
      expect(JSON.parse(String(answer.headers["x-model-meta"]))).toMatchObject({ model_version: "step_0" });
      expect(answer.headers).not.toHaveProperty("last-modified");
    }
    if (status === 200) expect(answer.headers["accept-ranges"]).toBe("bytes");
  });

  test.each(HEAD_CASES)("HEAD: %s", async (_name, headers, status, length) => {
    const answer = await ask(url(), "HEAD", headers);

    expect([answer.status, answer.body.length]).toEqual([status, 0]);
    expect(answer.headers["content-length"]).toBe(length);
    expect(answer.headers.etag).toBe(TAG);
  });
}

describe("from the model server alone", () => {
  let server: ServerFixture;
  beforeAll(async () => {
    server = await ServerFixture.start({ redisUrl: redis.url, view: distributeView() });
    await server.publish(0, VALUES);
    await server.serve();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  answersAsHttpSays(() => server.url);
});

if (NGINX === null)
  process.stderr.write("nginx is not installed (Debian: nginx-light): what it answers is not tested\n");

describe.skipIf(NGINX === null)("through nginx, which sends the file", () => {
  let server: ServerFixture;
  let nginx: RunningNginx;
  beforeAll(async () => {
    server = await ServerFixture.start({
      redisUrl: redis.url,
      view: distributeView(),
      args: ["--offload.kind=nginx", "--trusted_proxies=127.0.0.1"],
    });
    await server.publish(0, VALUES);
    await server.serve();
    const folder = join(server.layout.root, "offload");
    const upstreamPort = Number(new URL(server.url).port);
    nginx = await startNginx({ port: await freePort(), upstreamPort, folder });
  });
  afterAll(async () => {
    await nginx?.stop();
    await server[Symbol.asyncDispose]();
  });

  test("the first is answered at once by the model server, which writes the file for the next", async () => {
    expect((await ask(nginx.url, "GET", {})).body).toEqual(Buffer.from(FILE));
    await until(() => server.logger.records.some(({ message }) => message === "Wrote a file to serve"));
  });

  answersAsHttpSays(() => nginx.url);

  test("all of these but conditions on the whole request were sent by nginx itself", async () => {
    const before = (await nginx.accessLog()).length;
    for (const [, headers] of CASES) await ask(nginx.url, "GET", headers);
    const lines = async () => (await nginx.accessLog()).slice(before).trim().split("\n");
    await until(async () => (await lines()).length === CASES.length);

    const senders = (await lines()).map((line) => / sent=(\S+)$/.exec(line)?.[1]);
    const own = CASES.filter((_, index) => senders[index] === "model-server").map(([name]) => name);
    expect(own).toEqual([
      "behind the end",
      "no last bytes",
      "If-None-Match holds",
      "weak If-None-Match holds",
      "If-None-Match in a list",
      "If-None-Match of anything",
      "If-None-Match before Range",
      "If-Match holds",
      "If-Match in a list",
      "If-Match of anything",
      "If-Match of another",
      "weak If-Match",
      "If-Match of another before If-None-Match",
    ]);
  });
});

import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { buffer } from "node:stream/consumers";
import { type PrivateRedis, startPrivateRedis } from "@assay/testing/redis/private-redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { distributeView } from "./chain-views.ts";
import { ALICE } from "./miners.ts";
import { bytesOf, groupFile, ServerFixture, sha256Of, TOKEN } from "./server-fixture.ts";

const VALUES = [bytesOf("group 0", 3_808), bytesOf("group 1", 3_808)] as const;
const FILE = await groupFile(0, VALUES[0]);
const TAG = `"${sha256Of(FILE)}"`;

let redis: PrivateRedis;
let server: ServerFixture;
beforeAll(async () => {
  redis = await startPrivateRedis();
  server = await ServerFixture.start({ redisUrl: redis.url, view: distributeView() });
  await server.publish(0, VALUES);
  await server.serve();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await redis.stop();
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Without a client that adds headers of its own. */
async function ask(method: string, headers: Record<string, string>): Promise<Answer> {
  const own = { authorization: `Bearer ${TOKEN}`, "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = httpRequest(`${server.url}/model/partial`, { method, headers: { ...own, ...headers } }, (response) => {
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

describe("GET", () => {
  test.each(CASES)("%s", async (_name, headers, status, range) => {
    const answer = await ask("GET", headers);

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
  });
});

describe("HEAD", () => {
  test.each([
    ["no condition", {}, 200, "4000"],
    ["a range means nothing", { range: "bytes=1000-" }, 200, "4000"],
    ["nor one behind the end", { range: "bytes=4000-" }, 200, "4000"],
    ["If-None-Match holds", { "if-none-match": TAG }, 304, undefined],
  ] as const)("%s", async (_name, headers, status, length) => {
    const answer = await ask("HEAD", headers);

    expect([answer.status, answer.body.length]).toEqual([status, 0]);
    expect(answer.headers["content-length"]).toBe(length);
    expect(answer.headers.etag).toBe(TAG);
  });
});

import { mkdir, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { distributeView } from "./chain-views.ts";
import { signedHeaders, VERA } from "./miners.ts";
import { bytesOfBody, openDownload } from "./raw-client.ts";
import { bytesOf, refusalIn, ServerFixture, sha256Of, until } from "./server-fixture.ts";

const CYCLE = 7;
/** More than the sockets of one connection hold, so that it is under way until somebody reads it. */
const CHUNK = bytesOf("chunk", 24 << 20);
const DIGEST = sha256Of(CHUNK);
/** Of every other request; a merge makes many more. */
const LIMITED_REQUESTS = 12;

let server: ServerFixture;
beforeAll(async () => {
  server = await ServerFixture.start({
    redisUrl: "unix:///nowhere/redis.sock",
    view: distributeView(),
    args: [`--rate_limit.requests=${LIMITED_REQUESTS}`],
  });
  const folder = server.layout.exchangeFolder(CYCLE);
  await mkdir(join(folder, "own"), { recursive: true });
  await writeFile(join(folder, "own", "group-0.f32"), Buffer.concat([bytesOf("before", 100), CHUNK]));
  const chunks = [{ sha256: DIGEST, path: "own/group-0.f32", offset: 100, bytes: CHUNK.length }];
  await writeFile(server.layout.offeredChunks(CYCLE), JSON.stringify({ chunks }));
  await writeFile(server.layout.shownStatements(CYCLE), '{"statements":[]}\n');
  await server.serve();
});
afterAll(() => server[Symbol.asyncDispose]());

function get(path: string): Promise<Response> {
  return server.fetch(path, { headers: signedHeaders(VERA, { path, target: VERA.hotkey }) });
}

describe("a merge", () => {
  test("is looked at far more often than an address may ask for anything else", async () => {
    const path = `/merge/${CYCLE}/statements`;
    const statuses = new Set<number>();
    for (let request = 0; request < 4 * LIMITED_REQUESTS; request += 1) {
      const answer = await get(path);
      statuses.add(answer.status);
      await answer.arrayBuffer();
    }
    expect([...statuses]).toEqual([200]);
  });

  test("answers whoever has seen the statements already without them", async () => {
    const path = `/merge/${CYCLE}/statements`;
    const first = await get(path);
    expect(await first.text()).toBe('{"statements":[]}\n');
    const signed = signedHeaders(VERA, { path, target: VERA.hotkey });
    const again = await openDownload(server.url, { ...signed, "if-none-match": first.headers.get("etag") ?? "" }, path);
    expect([again.statusCode, await bytesOfBody(again)]).toEqual([304, 0]);
  });

  test("gives the stretch of a file that a digest stands for, a few at a time", async () => {
    const path = `/merge/${CYCLE}/chunks/${DIGEST}`;
    const whole = await get(path);
    expect(sha256Of(new Uint8Array(await whole.arrayBuffer()))).toBe(DIGEST);
    const unread = await Promise.all(
      Array.from({ length: 8 }, () => openDownload(server.url, signedHeaders(VERA, { path }), path)),
    );
    expect(unread.map(({ statusCode }) => statusCode)).toEqual(unread.map(() => 200));
    expect(await refusalIn(await get(path))).toEqual({ status: 429, error: "too_many_requests" });
    expect(await bytesOfBody(unread[0] as IncomingMessage)).toBe(CHUNK.length);
    await until(async () => (await get(path)).status === 200);
    for (const each of unread) each.destroy();
  });

  test("knows no chunk of another cycle, nor a cycle that is no number", async () => {
    const other = await get(`/merge/${CYCLE + 1}/chunks/${DIGEST}`);
    expect(await refusalIn(other)).toEqual({ status: 404, error: "unknown_merge" });
    expect(await refusalIn(await get("/merge/-1/statements"))).toEqual({ status: 404, error: "unknown_merge" });
  });
});

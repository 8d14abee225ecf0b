import { mkdir, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { distributeView } from "./chain-views.ts";
import { ALICE, signedHeaders, VERA } from "./miners.ts";
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

describe("a ticket", () => {
  const path = `/merge/${CYCLE}/statements`;

  /** Of a server without that limit, as here requests are refused. */
  async function ticketedServer() {
    const view = distributeView();
    const own = await ServerFixture.start({ redisUrl: "unix:///nowhere/redis.sock", view });
    await own.serve();
    const headers = signedHeaders(VERA, { path, target: VERA.hotkey });
    const ticket = (await own.fetch(path, { headers })).headers.get("x-merge-ticket") ?? "";
    const ask = async (sent: Readonly<Record<string, string>>) => await own.fetch(path, { headers: sent });
    return {
      view,
      ticket,
      ask,
      setView: own.setView.bind(own),
      [Symbol.asyncDispose]: () => own[Symbol.asyncDispose](),
    };
  }

  test("stands for a signature of this hotkey, and of no other", async () => {
    await using own = await ticketedServer();
    const { ticket, ask } = own;
    const other = `${ticket.slice(1)}${ticket.slice(0, 1)}`;
    const vera = { "x-hotkey": VERA.hotkey };
    const ticketed = await ask({ ...vera, "x-merge-ticket": ticket });
    expect([ticketed.status, ticketed.headers.get("x-merge-ticket")]).toEqual([200, ticket]);
    const refused = { status: 403, error: "signature_invalid" };
    expect(await refusalIn(await ask({ ...vera, "x-merge-ticket": other }))).toEqual(refused);
    expect(await refusalIn(await ask({ "x-hotkey": ALICE.hotkey, "x-merge-ticket": ticket }))).toEqual(refused);
    expect(await refusalIn(await ask({ "x-merge-ticket": ticket }))).toEqual(refused);
    expect(await refusalIn(await ask(vera))).toEqual(refused);
  });

  test("is good only as long as its hotkey is a validator's", async () => {
    await using own = await ticketedServer();
    const { view, ticket, ask, setView } = own;
    const headers = { "x-hotkey": VERA.hotkey, "x-merge-ticket": ticket };
    await setView({ ...view, roster: view.roster.filter(({ hotkey }) => hotkey !== VERA.hotkey) });
    expect(await refusalIn(await ask(headers))).toEqual({ status: 403, error: "not_registered" });
    await setView(view);
    expect((await ask(headers)).status).toBe(200);
  });
});

import { createHash } from "node:crypto";
import { Validator } from "@seriousme/openapi-schema-validator";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ENDPOINTS, endpointIds } from "../src/api/endpoints.ts";
import { openApiDocument } from "../src/api/openapi.ts";
import { REFUSALS } from "../src/refusal-codes.ts";
import { distributeView } from "./chain-views.ts";
import { type Answer, undocumented } from "./documented.ts";
import { ALICE, signedHeaders, VERA } from "./miners.ts";
import { bytesOfBody, openDownload } from "./raw-client.ts";
import { bytesOf, refusalIn, ServerFixture } from "./server-fixture.ts";

let server: ServerFixture;
beforeAll(async () => {
  server = await ServerFixture.start({ redisUrl: "unix:///nowhere/redis.sock", view: distributeView() });
  await server.publish(0, [bytesOf("zero", 1_000), bytesOf("one", 1_000)]);
  await server.serve();
});
afterAll(() => server[Symbol.asyncDispose]());

async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, headers: response.headers, body: await response.text() };
}

test("the document is valid OpenAPI 3.1", async () => {
  const validator = new Validator();

  expect(await validator.validate(JSON.parse(JSON.stringify(openApiDocument())))).toEqual({ valid: true });
  expect(validator.version).toBe("3.1");
});

test("a document with a mistake is not", async () => {
  const { paths, ...rest } = JSON.parse(JSON.stringify(openApiDocument()));
  const { responses, ...operation } = paths["/health"].get;
  const mistaken = {
    ...rest,
    paths: { ...paths, "/health": { get: { ...operation, responses: { ok: responses["200"] } } } },
  };

  expect((await new Validator().validate(mistaken)).valid).toBe(false);
});

test("every refusal code can be answered by an endpoint, or where there is none", () => {
  const text = JSON.stringify(openApiDocument());

  const unused = Object.keys(REFUSALS).filter((code) => !text.includes(`"${code}"`));
  expect(unused).toEqual(["not_found"]);
});

test("the server gives the document to anybody, and it names every endpoint", async () => {
  const response = await fetch(`${server.url}/openapi.json`);
  const answer = await answerOf(response);

  expect([answer.status, answer.headers.get("cache-control")]).toEqual([200, "public, max-age=3600"]);
  const given = JSON.parse(answer.body);
  expect(given).toEqual(JSON.parse(JSON.stringify(openApiDocument(endpointIds([])))));
  expect(Object.keys(given.paths)).toEqual([
    "/livez",
    "/readyz",
    "/health",
    "/ready",
    "/docs",
    "/openapi.json",
    "/receipts/{cycle}",
    "/digests",
    "/digests/{cycle}",
    "/exports/recent",
    "/exports/{year}/{month}/{day}/{hour}",
    "/explain/{hotkey}",
    "/model/partial",
    "/model/full",
    "/model/manifest",
    "/model/chunks/{digest}",
    "/merge/{cycle}/statements",
    "/merge/{cycle}/chunks/{digest}",
    "/submit",
  ]);
  expect(undocumented("GET", "/openapi.json", answer)).toEqual([]);
});

test("routes of older miners are described where they are, as nothing to build on", async () => {
  await using older = await ServerFixture.start({
    redisUrl: "unix:///nowhere/redis.sock",
    view: distributeView(),
    args: ["--compatibility.legacy_routes=true", "--session.enabled=true"],
  });
  await older.serve();
  const given = JSON.parse(await (await fetch(`${older.url}/openapi.json`)).text());
  const routes = [given.paths["/ping"].get, given.paths["/get-checkpoint"].get, given.paths["/submit-checkpoint"].post];

  expect(given).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
  expect(routes.map(({ deprecated }) => deprecated)).toEqual([true, true, true]);
  expect(routes[0].description).toBe("Only where the operator set `compatibility.legacy_routes`.");
  expect(await (await fetch(`${older.url}/docs`)).text()).toContain('<section id="submitCheckpoint">');
  expect(await (await fetch(`${server.url}/docs`)).text()).not.toContain("checkpoint<");
});

test("the page loads nothing, runs nothing, and its links lead somewhere", async () => {
  const answer = await answerOf(await fetch(`${server.url}/docs`));
  const [, style = ""] = /<style>(.*?)<\/style>/s.exec(answer.body) ?? [];
  const hash = createHash("sha256").update(style).digest("base64");
  const policy = answer.headers.get("content-security-policy");
  const links = [...answer.body.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, link]) => String(link));
  const anchors = links.filter((link) => link.startsWith("#")).map((link) => link.slice(1));
  const others = links.filter((link) => !link.startsWith("#"));

  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  expect(policy).toBe(
    `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  expect(answer.body).not.toMatch(/<script|<link|<img|<iframe|@import|url\(| style=| on\w+=/i);
  expect(anchors).toEqual(endpointIds([]));
  for (const anchor of anchors) expect(answer.body.split(`id="${anchor}"`)).toHaveLength(2);
  expect(others).toEqual(["openapi.json"]);
  expect((await fetch(new URL(others[0] ?? "", `${server.url}/docs`))).status).toBe(200);
  for (const id of endpointIds([])) {
    expect(answer.body).toContain(`${ENDPOINTS[id].path.replaceAll(/:(\w+)/g, "{$1}")}</code></h2>`);
  }
  expect(undocumented("GET", "/docs", answer)).toEqual([]);
});

test("both count against the rate of an address", async () => {
  await using limited = await ServerFixture.start({
    redisUrl: "unix:///nowhere/redis.sock",
    view: distributeView(),
    args: ["--rate_limit.requests=2"],
  });
  await limited.serve();

  expect((await fetch(`${limited.url}/docs`)).status).toBe(200);
  expect((await fetch(`${limited.url}/openapi.json`)).status).toBe(200);
  expect(await refusalIn(await fetch(`${limited.url}/docs`))).toEqual({ status: 429, error: "rate_limited" });
});

const alice = { "x-hotkey": ALICE.hotkey, "x-expert-group": "0" };

test.each([
  ["GET", "/livez", {}, 200],
  ["HEAD", "/livez", {}, 200],
  ["GET", "/model/partial", alice, 200],
  ["GET", "/model/partial?part=config", alice, 200],
  ["GET", "/model/partial?part=shared&format=framed", alice, 200],
  ["GET", "/model/partial", { ...alice, range: "bytes=0-9" }, 206],
  ["GET", "/model/partial", { ...alice, "if-match": '"other"' }, 412],
  ["GET", "/model/partial", { ...alice, range: "bytes=99999999-" }, 416],
  ["HEAD", "/model/partial", alice, 200],
  ["GET", "/model/partial?part=everything", alice, 400],
  ["GET", "/model/partial?part=context", alice, 403],
  ["GET", "/model/partial", { ...alice, "x-hotkey": "5" }, 400],
  ["GET", "/model/manifest", alice, 200],
  ["GET", "/model/chunks/none", alice, 404],
  ["GET", `/model/chunks/${"0".repeat(64)}`, alice, 404],
  ["GET", "/model/full", signedHeaders(VERA), 200],
  ["HEAD", "/model/full", {}, 403],
  ["GET", "/nowhere", {}, 404],
  ["POST", "/model/partial", {}, 404],
] as const)("%s %s, case %#, is answered as the document says", async (method, path, headers, status) => {
  // The digests of a version are there a moment after it is loaded.
  await expect.poll(async () => (await server.fetch("/model/manifest", { headers: alice })).status).toBe(200);

  const answer = await answerOf(await server.fetch(path, { method, headers }));

  expect(answer.status).toBe(status);
  expect(undocumented(method, path, answer)).toEqual([]);
});

test("a file that has not changed is answered as the document says", async () => {
  const response = await openDownload(server.url, { ...alice, "if-none-match": "*" });
  const headers = new Headers(response.headers as Record<string, string>);

  expect(undocumented("GET", "/model/partial", { status: 304, headers, body: "" })).toEqual([]);
  expect([response.statusCode, await bytesOfBody(response)]).toEqual([304, 0]);
});

test("a probe is answered whatever its conditions", async () => {
  const answer = await openDownload(server.url, { "if-none-match": "*" }, "/health");

  expect(answer.statusCode).toBe(200);
  answer.resume();
});

test("an answer that is not in the document is noticed", async () => {
  const answer = await answerOf(await fetch(`${server.url}/health`));

  expect(undocumented("GET", "/health", { ...answer, status: 418 })).toHaveLength(1);
  expect(undocumented("GET", "/health", { ...answer, body: '{"status":"splendid"}' })).toHaveLength(1);
  expect(undocumented("GET", "/health", { ...answer, headers: new Headers({ "x-new": "1" }) })).toHaveLength(3);
  expect(undocumented("GET", "/health", { status: 401, headers: new Headers(), body: "{}" })).toHaveLength(1);
  expect(
    undocumented("GET", "/x", { status: 403, headers: new Headers(), body: '{"error":"duplicate"}' }),
  ).toHaveLength(1);
});

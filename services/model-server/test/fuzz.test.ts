import { connect } from "node:net";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { endpointAt } from "../src/api/find-endpoint.ts";
import { submissionView } from "./chain-views.ts";
import { type Answer, undocumented, undocumentedAnywhere } from "./documented.ts";
import { encode, type FuzzRequest, requests } from "./fuzz-requests.ts";
import { BOB, EDDY } from "./miners.ts";
import { bytesOf, groupFile, ServerFixture, until } from "./server-fixture.ts";
import { signedSessionKey } from "./sessions.ts";

/** Requests in all; `FUZZ_REQUESTS=5000000 FUZZ_SEED=7` for a longer run over others. */
const { FUZZ_REQUESTS = "100000", FUZZ_SEED = "100000" } = process.env;
const REQUESTS = Number(FUZZ_REQUESTS);
const SEED = Number(FUZZ_SEED);
const LANES = 32;
/** One to three; the average is two. */
const REQUESTS_PER_CONNECTION = 2;
/** A connection on which nothing comes for this long waits for the rest of a body; the client leaves then. */
const SILENT_MILLIS = 300;

let server: ServerFixture;
let whole: Uint8Array;
const rejections: unknown[] = [];
const note = (reason: unknown) => rejections.push(reason);
beforeAll(async () => {
  server = await ServerFixture.start({
    redisUrl: "unix:///nowhere/redis.sock",
    args: [
      "--chain_view.max_age_seconds=100000",
      "--rate_limit.requests=1000000000",
      "--compatibility.legacy_routes=true",
      "--session.enabled=true",
      "--transfers.max_in_flight=1000",
      "--transfers.max_per_hotkey=1000",
      "--transfers.max_per_address=1000",
    ],
  });
  await server.publish(0, [bytesOf("zero", 1_000), bytesOf("one", 1_000)]);
  await server.setView(submissionView());
  await server.serve();
  await server.setView(submissionView({ sessionKey: await signedSessionKey(server) }));
  whole = await groupFile(0, bytesOf("trained", 1_000));
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => process.on("unhandledRejection", note));
afterEach(() => process.off("unhandledRejection", note));

/** Sends all requests at once over one connection. @returns what came back, without `100 Continue`. */
async function answersTo(sent: readonly FuzzRequest[]): Promise<readonly Answer[]> {
  const { hostname, port } = new URL(server.url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const pieces: Buffer[] = [];
  socket.on("data", (piece: Buffer) => pieces.push(piece));
  socket.on("error", () => undefined);
  socket.setTimeout(SILENT_MILLIS, () => socket.destroy());
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const last = "GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
  socket.write(Buffer.concat([...sent.map(encode), Buffer.from(last)]));
  await closed;
  return answersIn(Buffer.concat(pieces).toString("latin1"));
}

const END_OF_HEAD = "\r\n\r\n";

/** Bodies never hold the first line of a reply: they are tensors of a test, or JSON of ours. */
function answersIn(text: string): readonly Answer[] {
  return text
    .split(/(?=HTTP\/1\.1 \d{3} )/)
    .filter((reply) => reply !== "" && !reply.startsWith("HTTP/1.1 100 "))
    .map((reply) => {
      const end = reply.includes(END_OF_HEAD) ? reply.indexOf(END_OF_HEAD) : reply.length;
      const [head, body] = [reply.slice(0, end), reply.slice(end + END_OF_HEAD.length)];
      const [first = "", ...lines] = head.split("\r\n");
      const headers = new Headers(lines.map((line) => line.split(/: (.*)/).slice(0, 2) as [string, string]));
      return { status: Number(first.split(" ")[1]), headers, body };
    });
}

/** Where the answers differ from the document. Only the first is certain to be the first request's. */
function differences([first]: readonly FuzzRequest[], answers: readonly Answer[]): readonly string[] {
  return answers.flatMap((answer, index) => {
    // What is no request at all is answered with a body, whatever its method.
    const isRead = first?.method !== "HEAD" || answer.body === "";
    if (index === 0 && first !== undefined && ENDPOINT_METHODS.has(first.method) && isRead) {
      const path = endpointAt(first.url.split("?")[0] ?? "") === undefined ? "/nowhere" : first.url;
      return undocumented(first.method, path, answer);
    }
    return undocumentedAnywhere(answer);
  });
}

/** A body of another method is read like one of these, and its answer is none of an endpoint's. */
const ENDPOINT_METHODS = new Set(["GET", "HEAD", "POST"]);

test(`${REQUESTS} requests of strangers crash nothing, get no 500 and no answer that is not documented, and leave no file`, {
  timeout: 60_000_000,
}, async () => {
  const foreign = await groupFile(1, bytesOf("trained", 1_000));
  const seen = new Map<number, number>();
  const numRuns = Math.ceil(REQUESTS / REQUESTS_PER_CONNECTION / LANES);
  const anyRequest = requests({ whole, foreign });
  const count = { minLength: 1, maxLength: 3 };
  const lane = (number: number) =>
    fc.assert(
      fc.asyncProperty(fc.array(anyRequest, count), async (sent) => {
        const answers = await answersTo(sent);
        for (const { status } of answers) seen.set(status, (seen.get(status) ?? 0) + 1);
        expect(differences(sent, answers)).toEqual([]);
        expect(answers.filter(({ status }) => status === 500)).toEqual([]);
      }),
      { numRuns, seed: SEED + number },
    );
  await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));

  const standing = [
    "session-key.json",
    `175/${BOB.hotkey}.json`,
    `175/${EDDY.hotkey}.json`,
    `175/${EDDY.hotkey}.safetensors`,
  ];
  await until(async () => (await server.registry.metrics()).includes("model_server_requests_in_flight 0"));
  await until(async () => (await server.inboxFiles()).every((name) => standing.includes(name)));
  expect(rejections).toEqual([]);
  expect(server.logger.lines().filter((line) => line.startsWith("[ERROR]"))).toEqual([]);
  // What the corpus is worth: most were answered, and by each kind of answer.
  expect([...seen.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(REQUESTS / 2);
  expect([...seen.keys()]).toEqual(expect.arrayContaining([200, 400, 401, 403, 404, 409, 413, 417, 422, 503]));
  expect(await server.inboxFiles()).toContain(`175/${EDDY.hotkey}.json`);
});

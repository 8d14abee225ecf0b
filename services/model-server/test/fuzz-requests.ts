import fc from "fast-check";
import {
  ALICE,
  BOB,
  EDDY,
  legacyDownloadFields,
  legacyUploadFields,
  NELL,
  pullBody,
  pushHeaders,
  STRANGER,
  signedHeaders,
  VERA,
} from "./miners.ts";
import { TOKEN } from "./server-fixture.ts";

/** One request as bytes of a connection; `url` and `headers` need not be valid. */
export interface FuzzRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
  /** How the end of the body is told. */
  readonly framing: "length" | "chunked" | "none" | "wrong length";
  /** Bytes that stand between this request and the next. */
  readonly rest: string;
}

export interface FuzzContents {
  /** A whole submission of group 0. */
  readonly whole: Uint8Array;
  /** One of group 1. */
  readonly foreign: Uint8Array;
}

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"];
const URLS = [
  "/health",
  "/ready",
  "/docs",
  "/openapi.json",
  "/model/manifest",
  `/model/chunks/${"0".repeat(64)}`,
  "/model/partial",
  "/model/partial?part=shared",
  "/model/partial?part=config&format=framed",
  "/model/partial?part=context",
  "/model/full",
  "/merge/7/statements",
  `/merge/7/chunks/${"0".repeat(64)}`,
  `/merge/99999999999999999999/chunks/../statements`,
  "/submit",
  "/submit?x=1",
  "/ping",
  "/session",
  "/get-checkpoint",
  "/submit-checkpoint",
  "/%",
  "/model/%2e%2e/full",
  "//submit",
  "/model/partial?part[]=a&part[b]=c&__proto__=1",
];

/** Requests of every kind: near misses of good ones, headers of any text, bodies of any bytes. */
export function requests(contents: FuzzContents): fc.Arbitrary<FuzzRequest> {
  return fc
    .record({
      request: fc.oneof(fc.constantFrom(...goodRequests(contents)), anyRequests()),
      changes: fc.array(changes(), { maxLength: 3 }),
    })
    .map(({ request, changes: made }) => made.reduce((changed, change) => change(changed), request));
}

/** What a client writes to the socket. */
export function encode({ method, url, headers, body, framing, rest }: FuzzRequest): Uint8Array {
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  const head = [`${method} ${url} HTTP/1.1`, "Host: test", ...lines, ...framingHeaders(framing, body.length)];
  const start = Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1");
  const sent = framing === "chunked" ? chunked(body) : framing === "none" ? [] : [body];
  return Buffer.concat([start, ...sent, Buffer.from(rest, "latin1")]);
}

function framingHeaders(framing: FuzzRequest["framing"], length: number): readonly string[] {
  switch (framing) {
    case "length":
      return [`Content-Length: ${length}`];
    case "chunked":
      return ["Transfer-Encoding: chunked"];
    case "wrong length":
      return [`Content-Length: ${Math.max(0, length - 7)}`];
    default:
      return [];
  }
}

function chunked(body: Uint8Array): readonly Uint8Array[] {
  const half = Math.ceil(body.length / 2);
  return [body.subarray(0, half), body.subarray(half), new Uint8Array()].flatMap((piece, index) =>
    piece.length === 0 && index < 2
      ? []
      : [Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")],
  );
}

const authorization = ["authorization", `Bearer ${TOKEN}`] as const;

function goodRequests({ whole, foreign }: FuzzContents): readonly FuzzRequest[] {
  const base = { framing: "length", rest: "" } as const;
  const push = (headers: Record<string, string>, body: Uint8Array): FuzzRequest => ({
    ...base,
    method: "POST",
    url: "/submit",
    headers: [authorization, ...Object.entries(headers)],
    body,
  });
  const get = (url: string, headers: Record<string, string>): FuzzRequest => ({
    ...base,
    method: "GET",
    url,
    headers: [authorization, ...Object.entries(headers)],
    body: new Uint8Array(),
    framing: "none",
  });
  const form = (fields: Record<string, string>, file: Uint8Array, name: string) => ({
    ...push({ "content-type": "multipart/form-data; boundary=b" }, multipart(fields, file, name)),
    url: "/submit-checkpoint",
  });
  const formGet = (fields: Record<string, string>): FuzzRequest => ({
    ...push({ "content-type": "application/x-www-form-urlencoded" }, Buffer.from(String(new URLSearchParams(fields)))),
    method: "GET",
    url: "/get-checkpoint",
  });
  const pull = (body: string) => push({ "content-type": "application/json" }, Buffer.from(body));
  return [
    // Other bytes than signed, so that it is received again and again and never stands.
    push(pushHeaders(ALICE, whole), whole.with(-1, 0xff)),
    push(pushHeaders(EDDY, whole), whole),
    push(pushHeaders(ALICE, foreign), foreign),
    push(pushHeaders(NELL, whole), whole),
    push(pushHeaders(STRANGER, whole), whole),
    push({ ...pushHeaders(ALICE, whole), expect: "100-continue" }, whole.with(-1, 0xff)),
    pull(pullBody(BOB, "https://miner.example/a", { expertGroup: 1 })),
    pull(pullBody(BOB, "https://miner.example/b", { expertGroup: 0 })),
    pull(pullBody(STRANGER, "https://miner.example/c")),
    pull(pullBody(EDDY, "https://miner.example/d")),
    pull(JSON.stringify("x".repeat(17_000))),
    get("/model/full", signedHeaders(VERA, { blockNumber: 176, nonce: "nonce-one-0" })),
    get("/model/full", signedHeaders(BOB, { blockNumber: 176, nonce: "nonce-two-0" })),
    get("/merge/7/statements", signedHeaders(VERA, { path: "/merge/7/statements", blockNumber: 176 })),
    get("/model/partial", { "x-hotkey": ALICE.hotkey, "x-expert-group": "0", range: "bytes=0-99" }),
    get("/model/partial?part=shared&format=framed", { "x-hotkey": BOB.hotkey, "if-none-match": "*" }),
    form(legacyUploadFields(ALICE, whole), whole.with(-1, 0xff), "model.safetensors"),
    form(legacyUploadFields(ALICE, whole), whole, "model.pt"),
    form(legacyUploadFields(NELL, whole), whole, "model.safetensors"),
    form(legacyUploadFields(EDDY, whole), whole, "model.safetensors"),
    form({}, whole, "model.safetensors"),
    formGet({ ...legacyDownloadFields(ALICE, { blockNumber: 176 }), expert_group_id: "0" }),
    formGet(legacyDownloadFields(VERA, { blockNumber: 176 })),
    get("/session", { connection: "Upgrade", upgrade: "assay-session", "x-session-key": "A".repeat(42).concat("E") }),
    get("/health", {}),
    get("/ready", {}),
  ];
}

/** A form with a boundary of one letter, so that changed bytes often meet it. */
function multipart(fields: Record<string, string>, file: Uint8Array, name: string): Uint8Array {
  const part = (disposition: string) => `--b\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`;
  const texts = Object.entries(fields).map(([field, value]) => `${part(`name="${field}"`)}${value}\r\n`);
  const head = `${texts.join("")}${part(`name="file"; filename="${name}"`)}`;
  return new Uint8Array(Buffer.concat([Buffer.from(head), file, Buffer.from("\r\n--b--\r\n")]));
}

function anyRequests(): fc.Arbitrary<FuzzRequest> {
  return fc.record({
    method: fc.constantFrom(...METHODS),
    url: fc.oneof(fc.constantFrom(...URLS), fc.webPath()),
    headers: fc.array(headers(), { maxLength: 6 }).map((made) => [authorization, ...made]),
    body: fc.uint8Array({ maxLength: 200 }),
    framing: fc.constantFrom("length", "chunked", "none"),
    rest: fc.constant(""),
  });
}

const NAMES = [
  "authorization",
  "content-type",
  "content-encoding",
  "connection",
  "expect",
  "upgrade",
  "range",
  "if-range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "accept-encoding",
  "x-hotkey",
  "x-expert-group",
  "x-block",
  "x-block-number",
  "x-nonce",
  "x-signature",
  "x-target",
  "x-content-hash",
  "x-forwarded-for",
  "cookie",
  "__proto__",
];
const VALUES = [
  "",
  "0",
  "-1",
  "1e3",
  "999999999999999999999",
  "null",
  "bytes=0-",
  "bytes=5-1,9-",
  "bytes=-99999999999",
  '"',
  'W/"x"',
  "*",
  "gzip",
  "chunked",
  "close",
  "100-continue",
  "200-maybe",
  "application/json; charset=utf-7",
  "application/octet-stream",
  "multipart/form-data; boundary=x",
  "Bearer",
  `Bearer ${TOKEN}x`,
  "../../etc/passwd",
  "sha256:",
  "__proto__",
  "websocket",
];

/** Mostly such as the parser lets through: what it does not ends the connection. */
function headers(): fc.Arbitrary<readonly [string, string]> {
  return fc.tuple(
    fc.oneof(
      { weight: 40, arbitrary: fc.constantFrom(...NAMES) },
      { weight: 8, arbitrary: fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/) },
      { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 12 }) },
    ),
    fc.oneof(
      { weight: 40, arbitrary: fc.constantFrom(...VALUES) },
      { weight: 20, arbitrary: fc.string({ maxLength: 40 }) },
      { weight: 1, arbitrary: fc.string({ unit: "binary-ascii", maxLength: 40 }) },
    ),
  );
}

type Change = (request: FuzzRequest) => FuzzRequest;

function changes(): fc.Arbitrary<Change> {
  return fc.oneof(
    { weight: 12, arbitrary: headChanges() },
    { weight: 4, arbitrary: bodyChanges() },
    { weight: 1, arbitrary: framingChanges() },
  );
}

function headChanges(): fc.Arbitrary<Change> {
  return fc.oneof(
    fc.constantFrom(...METHODS).map(
      (method): Change =>
        (request) => ({ ...request, method }),
    ),
    fc.constantFrom(...URLS).map(
      (url): Change =>
        (request) => ({ ...request, url }),
    ),
    headers().map(
      (header): Change =>
        (request) => ({ ...request, headers: [...request.headers, header] }),
    ),
    fc.nat().map(
      (index): Change =>
        (request) => ({ ...request, headers: without(request.headers, index) }),
    ),
    fc.tuple(fc.nat(), headers()).map(
      ([index, [, value]]): Change =>
        (request) => ({
          ...request,
          headers: request.headers.map((header, at) =>
            at === index % request.headers.length ? [header[0], value] : header,
          ),
        }),
    ),
  );
}

function bodyChanges(): fc.Arbitrary<Change> {
  return fc.oneof(
    fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(
      ([at, byte]): Change =>
        (request) => ({
          ...request,
          body: request.body.length === 0 ? request.body : request.body.with(at % request.body.length, byte),
        }),
    ),
    fc.nat().map(
      (length): Change =>
        (request) => ({
          ...request,
          body: request.body.subarray(0, length % (request.body.length + 1)),
        }),
    ),
    fc.constantFrom("length" as const, "chunked" as const).map(
      (framing): Change =>
        (request) => ({ ...request, framing }),
    ),
  );
}

/** What makes the server wait for more, or take the next request for a body. */
function framingChanges(): fc.Arbitrary<Change> {
  return fc.oneof(
    fc.constantFrom("none" as const, "wrong length" as const).map(
      (framing): Change =>
        (request) => ({ ...request, framing }),
    ),
    fc.constantFrom("content-length", "transfer-encoding").chain((name) =>
      fc.constantFrom(...VALUES).map(
        (value): Change =>
          (request) => ({
            ...request,
            headers: [...request.headers, [name, value]],
          }),
      ),
    ),
    fc.string({ unit: "binary-ascii", maxLength: 20 }).map(
      (rest): Change =>
        (request) => ({ ...request, rest }),
    ),
  );
}

function without(all: FuzzRequest["headers"], index: number): FuzzRequest["headers"] {
  return all.filter((_, at) => at !== index % Math.max(1, all.length));
}

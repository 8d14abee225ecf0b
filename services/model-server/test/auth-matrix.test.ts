import type { ChainView } from "@assay/core/chain-view";
import type { SessionKey } from "@assay/core/messages/session-key";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ENDPOINTS, type EndpointId } from "../src/api/endpoints.ts";
import { distributeView } from "./chain-views.ts";
import { undocumented } from "./documented.ts";
import {
  ALICE,
  BOB,
  type Keypair,
  legacyDownloadFields,
  legacyForm,
  legacyUploadFields,
  pullBody,
  pushHeaders,
  signedHeaders,
  VERA,
} from "./miners.ts";
import { getWithForm } from "./raw-client.ts";
import { bytesOf, groupFile, ServerFixture, TOKEN } from "./server-fixture.ts";
import { signedSessionKey } from "./sessions.ts";

/** Every declared endpoint; what it takes in two forms is there twice. */
type Endpoint = Exclude<EndpointId, "submit"> | "push" | "pull" | "nowhere";
const TOKENS = ["no token", "a wrong token", "the token"] as const;
type Token = (typeof TOKENS)[number];
const SIGNATURES = [
  "unsigned",
  "forged",
  "replayed",
  "stale",
  "future",
  "for another request",
  "for another validator",
  "for this validator",
  "good",
] as const;
type Signature = (typeof SIGNATURES)[number];
const PHASES = ["distribute", "train", "submission", "validate"] as const;
type MatrixPhase = (typeof PHASES)[number];

const UNAUTHORIZED = "401 unauthorized";
const WITHOUT_TOKEN: readonly Endpoint[] = [
  "live",
  "readyz",
  "health",
  "ready",
  "docs",
  "openapi",
  "ping",
  "session",
  "receipts",
  "digestCycles",
  "cycleDigests",
  "recentExport",
  "hourlyExport",
  "explain",
];
const SIGNED: readonly Endpoint[] = ["full", "manifest", "chunk", "mergeStatements", "mergeChunk"];
/** Status and code with the token, by signature and phase (in the order of {@link PHASES}); one for all phases. */
const WITH_TOKEN: Readonly<Record<Endpoint, Readonly<Record<Signature, readonly string[]>>>> = {
  live: sameFor(["200"]),
  readyz: sameFor(["200"]),
  health: sameFor(["200"]),
  ready: sameFor(["200"]),
  docs: sameFor(["200"]),
  openapi: sameFor(["200"]),
  receipts: sameFor(["404 unknown_receipts"]),
  digestCycles: sameFor(["200"]),
  cycleDigests: sameFor(["404 unknown_receipts"]),
  recentExport: sameFor(["404 unknown_receipts"]),
  hourlyExport: sameFor(["404 unknown_receipts"]),
  explain: sameFor(["404 unknown_receipts"]),
  nowhere: sameFor(["404 not_found"]),
  partial: sameFor(["200", "200", "503 wrong_phase", "503 wrong_phase"]),
  full: signedOnly("200"),
  mergeStatements: signedOnly("200"),
  mergeChunk: signedOnly("404 unknown_merge"),
  manifest: signedOrMiner("200"),
  chunk: signedOrMiner("404 unknown_chunk"),
  push: submission("400 header_invalid", "202"),
  pull: submission("400 body_invalid", "202"),
  ping: sameFor(["200"]),
  session: sameFor(["200"]),
  // The older miners' messages always name their target, have no nonce, and say nothing of the request.
  getCheckpoint: {
    ...sameFor(["200", "200", "503 wrong_phase", "503 wrong_phase"]),
    unsigned: ["400 body_invalid"],
    forged: ["403 signature_invalid"],
    stale: ["400 block_window"],
    future: ["400 block_window"],
    "for another request": ["403 signature_invalid"],
    "for another validator": ["403 wrong_target"],
  },
  submitCheckpoint: submission("400 body_invalid", "200"),
};

/** For endpoints that validators ask, and nobody without a signature. */
function signedOnly(served: string): Record<Signature, readonly string[]> {
  return { ...signedOrMiner(served), unsigned: ["403 signature_invalid"] };
}

/** For endpoints that miners ask in their phases without a signature, and validators at any time with one. */
function signedOrMiner(served: string): Record<Signature, readonly string[]> {
  return {
    unsigned: [served, served, "503 wrong_phase", "503 wrong_phase"],
    forged: ["403 signature_invalid"],
    replayed: ["403 nonce_reused"],
    stale: ["403 block_window"],
    future: ["403 block_window"],
    "for another request": ["403 signature_invalid"],
    "for another validator": ["403 wrong_target"],
    "for this validator": [served],
    good: [served],
  };
}

/** For endpoints that take submissions: their phase is looked at after the signature and before the block. */
function submission(unsigned: string, accepted: string): Record<Signature, readonly string[]> {
  const inPhase = (answer: string) => ["409 wrong_phase", "409 wrong_phase", answer, "409 wrong_phase"];
  return {
    unsigned: [unsigned],
    forged: ["403 signature_invalid"],
    replayed: inPhase("200"),
    stale: inPhase("400 block_window"),
    future: inPhase("400 block_window"),
    "for another request": ["403 signature_invalid"],
    "for another validator": ["403 wrong_target"],
    "for this validator": inPhase(accepted),
    good: inPhase(accepted),
  };
}

/** For endpoints that no signature changes. */
function sameFor(answers: readonly string[]): Record<Signature, readonly string[]> {
  return {
    unsigned: answers,
    forged: answers,
    replayed: answers,
    stale: answers,
    future: answers,
    "for another request": answers,
    "for another validator": answers,
    "for this validator": answers,
    good: answers,
  };
}

function expected(endpoint: Endpoint, token: Token, signature: Signature, phase: MatrixPhase): string {
  if (token !== "the token" && !isServedWithoutToken(endpoint, signature)) {
    return UNAUTHORIZED;
  }
  const answers = WITH_TOKEN[endpoint][signature];
  return answers[PHASES.indexOf(phase)] ?? answers[0] ?? "missing in the table";
}

/** Where a validator's signature is looked for, one is worth as much as the token; a wrong one is refused as such. */
function isServedWithoutToken(endpoint: Endpoint, signature: Signature): boolean {
  return WITHOUT_TOKEN.includes(endpoint) || (SIGNED.includes(endpoint) && signature !== "unsigned");
}

interface MatrixRequest extends RequestInit {
  readonly path: string;
  /** Of a GET with a form. */
  readonly fields?: Record<string, string>;
}

let server: ServerFixture;
let content: Uint8Array;
let sessionKey: SessionKey;
let cycle = 3;
beforeAll(async () => {
  server = await ServerFixture.start({
    redisUrl: "unix:///nowhere/redis.sock",
    args: ["--rate_limit.requests=1000000", "--compatibility.legacy_routes=true", "--session.enabled=true"],
  });
  await server.publish(0, [bytesOf("zero", 1_000), bytesOf("one", 1_000)]);
  await server.serve();
  sessionKey = await signedSessionKey(server);
  await server.setView(viewIn("distribute"));
  // The digests of a version are there a moment after it is loaded.
  const headers = { "x-hotkey": ALICE.hotkey };
  await vi.waitUntil(async () => (await server.fetch("/model/manifest", { headers })).status === 200, 5_000);
  content = await groupFile(0, bytesOf("trained", 1_000));
});
afterAll(() => server[Symbol.asyncDispose]());

const FIRST_BLOCK = { distribute: 0, train: 5, submission: 40, validate: 45 } as const;
const CYCLE_BLOCKS = 50;

/** The second block of a phase, in a cycle of its own, so that no case sees another's submissions or nonces. */
function viewIn(phase: MatrixPhase): ChainView {
  cycle += 1;
  const phaseFirstBlock = cycle * CYCLE_BLOCKS + FIRST_BLOCK[phase];
  return distributeView({
    sessionKey,
    cycle,
    phase,
    block: phaseFirstBlock + 1,
    phaseFirstBlock,
    phaseLastBlock: phaseFirstBlock + 4,
    nextDistributeBlock: (cycle + 1) * CYCLE_BLOCKS,
    nextSubmissionBlock: (cycle + 1) * CYCLE_BLOCKS + 40,
  });
}

const BLOCKS_OFF: Readonly<Partial<Record<Signature, number>>> = { stale: -20, future: 3 };

/** The test's validator is Vera's. */
const TARGETS: Readonly<Partial<Record<Signature, string>>> = {
  "for another validator": BOB.hotkey,
  "for this validator": VERA.hotkey,
};

/** A request of the older miners, likewise. */
function legacyRequestOf(
  endpoint: "getCheckpoint" | "submitCheckpoint",
  signature: Signature,
  { block }: ChainView,
): MatrixRequest {
  const changes = {
    blockNumber: block + (BLOCKS_OFF[signature] ?? 0),
    origin: ALICE,
    ...(signature === "for another validator" && { target: BOB }),
    ...(signature === "for another request" && { signedBlock: block - 1 }),
  };
  const signer = signature === "forged" ? BOB : ALICE;
  if (endpoint === "getCheckpoint") {
    const fields = without(signature, { ...legacyDownloadFields(signer, changes), expert_group_id: "0" });
    return { path: "/get-checkpoint", fields };
  }
  const fields = without(signature, legacyUploadFields(signer, content, changes));
  return { path: "/submit-checkpoint", method: "POST", body: legacyForm(fields, content) };
}

/** A request as `signature` says; the same one gives the same request. */
function requestOf(endpoint: Endpoint, signature: Signature, view: ChainView): MatrixRequest {
  if (endpoint === "getCheckpoint" || endpoint === "submitCheckpoint") {
    return legacyRequestOf(endpoint, signature, view);
  }
  const { block } = view;
  const blockNumber = block + (BLOCKS_OFF[signature] ?? 0);
  const isForThis = signature !== "for another request";
  const target = TARGETS[signature];
  const targetHeader = target === undefined ? {} : { "x-target": target };
  const by = (owner: Keypair): Keypair =>
    signature === "forged" ? { ...owner, sign: (message) => BOB.sign(message) } : owner;
  if (endpoint === "push") {
    const location = isForThis ? {} : { location: `sha256:${"0".repeat(64)}` };
    const signed = pushHeaders(by(ALICE), content, { blockNumber, ...location });
    const headers = without(signature, {
      ...signed,
      ...targetHeader,
      "x-content-hash": pushHeaders(ALICE, content)["x-content-hash"] ?? "",
    });
    return { path: "/submit", method: "POST", headers, body: Buffer.from(content) };
  }
  if (endpoint === "pull") {
    const url = "https://miner.example/file";
    const signed = JSON.parse(pullBody(by(ALICE), isForThis ? url : `${url}?other`, { blockNumber }));
    const body = JSON.stringify(without(signature, { ...signed, checkpoint_url: url }));
    return { path: "/submit", method: "POST", headers: { "content-type": "application/json", ...targetHeader }, body };
  }
  const path = endpoint === "nowhere" ? "/x" : pathOf(endpoint);
  const mayBeSigned = endpoint !== "nowhere" && "signature" in ENDPOINTS[endpoint];
  const caller = mayBeSigned ? VERA : ALICE;
  const nonce = `nonce-${block}`;
  const signed = signedHeaders(by(caller), { path: isForThis ? path : "/model/other", blockNumber, nonce, target });
  return { path, headers: { ...without(signature, signed), "x-hotkey": caller.hotkey, "x-expert-group": "0" } };
}

function pathOf(endpoint: EndpointId): string {
  return ENDPOINTS[endpoint].path.replace(":digest", "0".repeat(64)).replace(":cycle", "7");
}

function without(signature: Signature, fields: Record<string, string>): Record<string, string> {
  const names = ["x-signature", "signature"];
  return signature === "unsigned"
    ? Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)))
    : fields;
}

async function answerTo({ path, fields, ...init }: MatrixRequest, token: Token): Promise<string> {
  const authorization = { "no token": undefined, "a wrong token": "Bearer wrong", "the token": undefined }[token];
  const headers = { ...(init.headers as Record<string, string>), ...(authorization && { authorization }) };
  const response = fields
    ? await getWithForm(`${server.url}${path}`, fields, bearerOf(token))
    : token === "no token"
      ? await fetch(`${server.url}${path}`, { ...init, headers })
      : await server.fetch(path, { ...init, headers });
  const text = await response.text();
  const code = response.status >= 400 ? ` ${JSON.parse(text).error}` : "";
  const { status } = response;
  const differences = undocumented(init.method ?? "GET", path, { status, headers: response.headers, body: text });
  expect(differences).toEqual([]);
  return `${response.status}${code}`;
}

function bearerOf(token: Token): Record<string, string> {
  return token === "no token" ? {} : { authorization: `Bearer ${token === "the token" ? TOKEN : "wrong"}` };
}

const ROWS = Object.keys(WITH_TOKEN) as readonly Endpoint[];
const CASES = ROWS.flatMap((endpoint) =>
  TOKENS.flatMap((token) =>
    SIGNATURES.flatMap((signature) => PHASES.map((phase) => [endpoint, token, signature, phase] as const)),
  ),
);

describe("every endpoint, token, signature and phase", () => {
  test("are in the matrix", () => {
    expect(CASES).toHaveLength(2_700);
  });

  test("a signed target cannot be taken off or put on", async () => {
    const view = viewIn("train");
    await server.setView(view);
    const { path, headers } = requestOf("full", "for this validator", view);
    const { "x-target": _target, ...bare } = headers as Record<string, string>;
    const { headers: untargeted } = requestOf("full", "good", view);
    const put = { ...(untargeted as Record<string, string>), "x-target": VERA.hotkey };

    expect(await answerTo({ path, headers: bare }, "the token")).toBe("403 signature_invalid");
    expect(await answerTo({ path, headers: put }, "the token")).toBe("403 signature_invalid");
  });

  test.each(CASES)("%s, %s, %s, in %s", async (endpoint, token, signature, phase) => {
    const view = viewIn(phase);
    await server.setView(view);
    const request = requestOf(endpoint, signature, view);
    if (signature === "replayed") {
      await answerTo(request, token);
    }

    expect(await answerTo(request, token)).toBe(expected(endpoint, token, signature, phase));
  });
});

import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname } from "node:path";
import { loadHotkey, type Signer } from "@assay/chain/hotkey";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import { cycleDigestsText, sealCycleDigests } from "@assay/core/cycle-digests/cycle-digests";
import { cycleFacts } from "@assay/core/cycle-digests/cycle-facts";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import { type Bundle, type BundleHeader, bundleText } from "@assay/core/receipts/bundle";
import { type BundleFacts, composeBundle } from "@assay/core/receipts/compose-bundle";
import type { Round } from "@assay/core/round/round";
import type { MeasuredLosses } from "@assay/core/scoring/outcome";
import { mergeOutcome } from "@assay/testing/builders/cycle-digests";
import { bundleFacts, deviceLosses } from "@assay/testing/builders/receipt-bundle";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { ServerFixture } from "../../../services/model-server/test/server-fixture.ts";
import { assay, assayIn } from "./command-line.ts";
import { VALIDATOR_URI, type ValidatorStage, validatorStage } from "./validator-stage.ts";

let own: Signer;
let other: Signer;
let miners: readonly Signer[];
let round: Round;

beforeAll(async () => {
  own = await loadHotkey({ uri: VALIDATOR_URI });
  other = await loadHotkey({ uri: "//Miner//0" });
  miners = await Promise.all([1, 2, 3, 4, 5, 6].map((uid) => loadHotkey({ uri: `//Trainer//${uid}` })));
  ({ round } = bundleFacts({ validator: own, miners }).header);
});

interface Shown {
  readonly cycle?: number;
  readonly header?: Partial<BundleHeader>;
  readonly measured?: ReadonlyMap<number, MeasuredLosses>;
  readonly change?: (facts: BundleFacts) => BundleFacts;
}

function bundleBy(signer: Signer, { cycle = 1, header, measured, change = (same) => same }: Shown = {}): Bundle {
  const made = bundleFacts({ validator: own, miners }, { round: { ...round, cycle }, ...header }, measured);
  const facts = change({ ...made, header: { ...made.header, validator: signer.address } });
  return composeBundle(facts, (bytes) => encodeBase64Url(signer.sign(bytes)));
}

function digestsText(bundle: Bundle, signer: Signer): string {
  const facts = cycleFacts(bundle, mergeOutcome([own.address, other.address]));
  return cycleDigestsText(sealCycleDigests(facts, bundle.header, (bytes) => encodeBase64Url(signer.sign(bytes))));
}

async function show(layout: CheckpointLayout, signer: Signer, shown?: Shown): Promise<void> {
  const bundle = bundleBy(signer, shown);
  const { cycle } = bundle.header.round;
  await mkdir(dirname(layout.cycleDigests(cycle)), { recursive: true });
  await writeFile(layout.receiptBundle(cycle), bundleText(bundle));
  await writeFile(layout.cycleDigests(cycle), digestsText(bundle, signer));
}

/** Two model servers, each of its own checkpoint directory, which show nothing at first. */
let mine: ServerFixture;
let peer: ServerFixture;

beforeAll(async () => {
  [mine, peer] = await Promise.all([server(), server()]);
});
afterAll(() => Promise.all([mine, peer].map((each) => each[Symbol.asyncDispose]())));
beforeEach(() => Promise.all([mine, peer].map(({ layout }) => rm(layout.receipts, { recursive: true, force: true }))));

async function server(): Promise<ServerFixture> {
  return await (await ServerFixture.start({ redisUrl: "unix:///nowhere/redis.sock" })).serve();
}

async function showBoth(theirs: Shown = {}): Promise<void> {
  await show(mine.layout, own);
  await show(peer.layout, other, theirs);
}

async function diff(...args: readonly string[]) {
  const { exitCode, out } = await assay("diff", ...args, "--json");
  return { exitCode, ...JSON.parse(out) };
}

const NONE = { batches: 0, evaluations: 0, factors: 0, standings: 0, weights: 0, largest: 0 };

describe("two model servers", () => {
  test("that show the same in other signatures do not differ", async () => {
    await showBoth();
    const { exitCode, out } = await assay("diff", peer.url, "--own", mine.url);

    expect(exitCode).toBe(0);
    expect(out).toContain(`  theirs  ${other.address}, root `);
    expect(out).toContain(`${peer.url} (hotkey not checked against the chain)\nThe same in everything.\n`);
    expect(await diff(peer.url, "--own", mine.url)).toMatchObject({
      exitCode: 0,
      netuid: 2,
      cycle: 1,
      same: true,
      ours: { hotkey: own.address, from: mine.url },
      theirs: { hotkey: other.address, from: peer.url, checkedAgainstChain: false },
      first: null,
      within: NONE,
    });
  });

  test("on other devices differ in nothing that matters, and that is counted", async () => {
    const measured = deviceLosses(bundleBy(own), 1e-6);
    await showBoth({ measured });
    const { exitCode, out } = await assay("diff", peer.url, "--own", mine.url);

    expect(exitCode).toBe(0);
    expect(out).toContain("Nothing differs beyond the band.\n");
    expect(out).toContain(
      "Passed over, as within the band or following from it: batches 9, evaluations 3, factors 2, standings 2",
    );
    expect(out).toContain("losses at most 0.000001 nats per token apart\n");
  });

  test("that trained from other models differ in the base, which no bundle is needed for", async () => {
    await showBoth({ header: { baseDigest: "bb".repeat(32) } });
    await rm(peer.layout.receiptBundle(1));
    const { exitCode, out } = await assay("diff", peer.url, "--own", mine.url);

    expect(exitCode).toBe(1);
    expect(out).toContain(
      `First difference: the base model (base/digest)\n  ours    "${"ba".repeat(32)}"\n  theirs  "${"bb".repeat(32)}"\n`,
    );
  });

  test("of which one measured a batch otherwise differ in that batch, with what lay within the band before it", async () => {
    const measured = new Map(deviceLosses(bundleBy(own), 1e-6));
    const losses = measured.get(2);
    if (losses === undefined) throw new Error("Miner 2 was measured");
    const batchLosses = losses.batchLosses.map((batch, index) =>
      index === 2 ? { ...batch, before: batch.before + 0.064 } : batch,
    );
    const lossBefore = batchLosses.reduce((sum, batch) => sum + batch.before, 0) / losses.tokens;
    await showBoth({ measured: measured.set(2, { ...losses, batchLosses, lossBefore }) });

    expect(await diff(peer.url, "--own", mine.url)).toMatchObject({
      exitCode: 1,
      same: false,
      first: { kind: "batch", uid: 2, batch: 2, path: "miners/2/evaluation/batches/2", apart: { band: 1e-5 } },
      within: { batches: 5, evaluations: 1, factors: 1, standings: 0 },
    });
    const { out } = await assay("diff", peer.url, "--own", mine.url);
    expect(out).toContain("First difference: batch 2 of uid 2 (miners/2/evaluation/batches/2)\n");
    expect(out).toContain("  0.001 nats per token apart, the band is 0.00001\n");
  });

  test("of which one gave a factor without cause differ in that factor", async () => {
    const change = (facts: BundleFacts): BundleFacts => ({
      ...facts,
      rows: facts.rows.map((row) => (row.uid === 2 ? { ...row, w: 0.5 } : row)),
    });
    await showBoth({ change });
    const { exitCode, out } = await assay("diff", peer.url, "--own", mine.url);

    expect(exitCode).toBe(1);
    expect(out).toContain("First difference: the factor of uid 2 (miners/2/factor)\n");
    expect(out).toContain('  theirs  {"w":0.5,"reason":null}\n  theirs does not follow from its own losses');
  });

  test("are compared in the newest cycle that both show, or in the one that is named", async () => {
    await showBoth({ cycle: 3 });
    for (const cycle of [2, 5]) await show(mine.layout, own, { cycle });
    for (const cycle of [1, 2]) await show(peer.layout, other, { cycle, header: { baseDigest: "bb".repeat(32) } });
    await show(peer.layout, other, { cycle: 2 });

    expect(await diff(peer.url, "--own", mine.url)).toMatchObject({ exitCode: 0, cycle: 2 });
    expect(await diff(peer.url, "--own", mine.url, "--cycle", "1")).toMatchObject({ exitCode: 1, cycle: 1 });
    expect(await diff(peer.url, "--own", mine.url, "--cycle", "5")).toMatchObject({
      exitCode: 3,
      error: { code: "CLI_NO_COMMON_CYCLE", fields: { cycle: 5, at: peer.url } },
    });
  });
});

describe("a validator that the chain knows", () => {
  /** Ours lie in the stage's directory; the neuron with slot 1 says that it is at this port. */
  async function stageWithPeer(port: number): Promise<ValidatorStage> {
    const stage = await validatorStage();
    await show(stage.layout, own);
    const axon = {
      block: 1,
      version: 1,
      ip: 0x7f000001,
      port,
      ipType: 4,
      protocol: 4,
      placeholder1: 0,
      placeholder2: 0,
    };
    stage.chain.writeStorage("SubtensorModule", "Axons", [2, stage.hotkeys[1]], axon);
    stage.chain.buildBlock();
    return stage;
  }

  const portOf = ({ url }: { readonly url: string }) => Number(new URL(url).port);
  const PRIVATE = { DOWNLOADS_ALLOW_PRIVATE_ADDRESSES: "true" };

  async function diffAs(env: Readonly<Record<string, string>>, peer: string) {
    const { exitCode, out } = await assayIn(env, "diff", peer, "--json");
    return { exitCode, ...JSON.parse(out) };
  }

  test("is found by uid and by hotkey, and must have signed", async () => {
    await show(peer.layout, other);
    const stage = await stageWithPeer(portOf(peer));
    const env = { ...stage.env, ...PRIVATE };

    const expected = { exitCode: 0, theirs: { hotkey: other.address, from: peer.url, checkedAgainstChain: true } };
    expect(await diffAs(env, "1")).toMatchObject(expected);
    expect(await diffAs(env, other.address)).toMatchObject(expected);
    const { out } = await assayIn(env, "diff", "1");
    expect(out).toContain(`  ours    ${own.address}, root `);
    expect(out).not.toContain("not checked");

    const stranger = await loadHotkey({ uri: "//Stranger" });
    await show(peer.layout, stranger);
    expect(await diffAs(env, "1")).toMatchObject({
      exitCode: 3,
      error: {
        code: "CLI_PEER_ANSWER_INVALID",
        fields: { detail: `signed by ${stranger.address}, where the chain says ${other.address}` },
      },
    });
  });

  test("is not asked at a private address unless pulls go there too", async () => {
    await show(peer.layout, other);
    const stage = await stageWithPeer(portOf(peer));
    expect(await diffAs(stage.env, "1")).toMatchObject({
      exitCode: 3,
      error: { code: "CLI_PEER_ADDRESS_FORBIDDEN" },
    });
  });

  test("is unknown without a slot or an address", async () => {
    const stage = await stageWithPeer(9);
    for (const peer of ["7", "2", miners[0]?.address ?? ""]) {
      expect(await diffAs(stage.env, peer)).toMatchObject({ exitCode: 3, error: { code: "CLI_PEER_UNKNOWN" } });
    }
    expect((await assayIn(stage.env, "diff", "validator.example")).exitCode).toBe(2);
  });

  test("cannot be found without a chain, which is no answer", async () => {
    const env = { CHAIN_ENDPOINT: "ws://127.0.0.1:9", CHECKPOINT_CACHE_DIR: "/nowhere" };
    const { exitCode, out } = await assayIn(env, "diff", "1", "--timeout", "1", "--json");
    expect([exitCode, JSON.parse(out).error.code]).toEqual([3, "CHAIN_DISCONNECTED"]);
  });
});

describe("a peer that answers badly", () => {
  /** Anything that speaks HTTP, compared with ours. */
  async function against(answer: RequestListener) {
    await show(mine.layout, own);
    const hostile = createServer(answer).listen(0, "127.0.0.1");
    onTestFinished(() => void hostile.close().closeAllConnections());
    await new Promise((resolve) => hostile.once("listening", resolve));
    const url = `http://127.0.0.1:${(hostile.address() as AddressInfo).port}`;
    return { url, run: () => diff(url, "--own", mine.url, "--cycle", "1") };
  }

  const good = () => digestsText(bundleBy(other), other);

  test.each([
    ["no JSON", () => "{", "malformed: : "],
    ["no digests", () => "{}", "malformed: schema: "],
    ["a line of its own in a key", () => '{"a\\n[INFO] all is well":1}', "malformed: schema"],
    [
      "another root",
      () => good().replace(/"root":"[0-9a-f]{64}","sch/, `"root":"${"00".repeat(32)}","sch`),
      "root_mismatch",
    ],
    ["another's signature", () => digestsText(bundleBy(other), own), "signature_invalid: "],
    ["another cycle", () => digestsText(bundleBy(other, { cycle: 2 }), other), "digests of cycle 2"],
    ["another subnet", () => digestsText(bundleBy(other, { header: { netuid: 3 } }), other), "of subnet 3"],
  ])("with %s is at fault", async (_what, text, detail) => {
    const { url, run } = await against((_request, response) => response.end(text()));
    const { exitCode, error } = await run();
    expect([exitCode, error.code, error.fields.url]).toEqual([3, "CLI_PEER_ANSWER_INVALID", url]);
    expect(error.fields.detail).toContain(detail);
    expect(error.fields.detail).not.toContain("\n");
  });

  test("with more than any digests are is cut off", async () => {
    let sent = 0;
    const { run } = await against((_request, response) => {
      const piece = Buffer.alloc(1 << 20, "x");
      const more = () => {
        while (!response.destroyed && sent < 64 && response.write(piece)) sent += 1;
        if (!response.destroyed && sent < 64) response.once("drain", more);
      };
      more();
    });
    expect(await run()).toMatchObject({
      exitCode: 3,
      error: { code: "CLI_PEER_ANSWER_INVALID", fields: { detail: "/digests/1 is longer than 4194304 bytes" } },
    });
    expect(sent).toBeLessThan(30);
  });

  test.each([
    ["refuses for now", (_request, response) => response.writeHead(503).end(), "/digests/1 answers 503"],
    ["hangs up", (request) => request.socket.destroy(), ""],
    [
      "breaks off",
      (_request, response) =>
        void response.writeHead(200, { "content-length": "99" }).end("{", () => response.destroy()),
      "",
    ],
  ] as readonly [string, RequestListener, string][])("that %s is unreachable", async (_what, answer, detail) => {
    const { run } = await against(answer);
    const { exitCode, error } = await run();
    expect([exitCode, error.code]).toEqual([3, "CLI_PEER_UNREACHABLE"]);
    expect(error.fields.detail).toContain(detail);
  });

  test("that leads to a private address is not followed", async () => {
    const asked: string[] = [];
    const inner = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.end(good());
    }).listen(0, "127.0.0.2");
    onTestFinished(() => void inner.close());
    await new Promise((resolve) => inner.once("listening", resolve));
    const location = `http://127.0.0.2:${(inner.address() as AddressInfo).port}/digests/1`;
    const { run } = await against((_request, response) => response.writeHead(302, { location }).end());
    expect(await run()).toMatchObject({ exitCode: 3, error: { code: "CLI_PEER_ADDRESS_FORBIDDEN" } });
    expect(asked).toEqual([]);
  });

  test("whose bundle is another one, or none, contradicts itself where the bundle is needed", async () => {
    const measured = deviceLosses(bundleBy(own), 1e-6);
    const [shown, hidden] = [bundleBy(other, { measured }), bundleBy(other)];
    const digests = digestsText(shown, other);
    let bundle: string | null = bundleText(hidden);
    const { run } = await against((request, response) => {
      if (request.url === "/digests/1") response.end(digests);
      else if (bundle !== null) response.end(bundle);
      else response.writeHead(404).end();
    });
    expect(await run()).toMatchObject({ exitCode: 3, error: { code: "CLI_PEER_CONTRADICTS_ITSELF" } });
    bundle = null;
    expect(await run()).toMatchObject({ exitCode: 3, error: { code: "CLI_PEER_CONTRADICTS_ITSELF" } });
    bundle = bundleText(shown).replace('"netuid":2', '"netuid":3');
    expect(await run()).toMatchObject({ error: { code: "CLI_PEER_ANSWER_INVALID" } });
    bundle = bundleText(shown);
    expect(await run()).toMatchObject({ exitCode: 0, within: { batches: 9 } });
  });
});

describe("ours", () => {
  test("that are not there are no answer", async () => {
    await show(peer.layout, other);
    const env = { CHECKPOINT_CACHE_DIR: mine.layout.root };
    const { exitCode, out } = await assayIn(env, "diff", peer.url, "--json");
    expect([exitCode, JSON.parse(out).error]).toMatchObject([
      3,
      { code: "CLI_NO_COMMON_CYCLE", fields: { ours: "none", theirs: "1 to 1" } },
    ]);
  });

  test("that cannot be used are ours to mend", async () => {
    await showBoth({ measured: deviceLosses(bundleBy(own), 1e-6) });
    await rm(mine.layout.receiptBundle(1));
    const env = { CHECKPOINT_CACHE_DIR: mine.layout.root };
    const run = async () => JSON.parse((await assayIn(env, "diff", peer.url, "--json")).out).error;
    expect(await run()).toMatchObject({ code: "CLI_OWN_DIGESTS_UNREADABLE", fields: { from: mine.layout.root } });
    await writeFile(mine.layout.cycleDigests(1), "{}");
    expect(await run()).toMatchObject({ code: "CLI_OWN_DIGESTS_UNREADABLE", fields: { why: "invalid" } });
  });
});

test.each([
  [["diff"]],
  [["diff", "ftp://validator.example"]],
  [["diff", "http://a:b@validator.example"]],
  [["diff", "http://127.0.0.1:9", "--cycle", "x"]],
])("%j is not understood", async (args) => {
  expect((await assay(...args)).exitCode).toBe(2);
});

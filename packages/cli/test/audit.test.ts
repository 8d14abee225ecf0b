import { loadHotkey } from "@assay/chain/hotkey";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import type { Uid } from "@assay/core/units";
import { stakeMedian } from "@assay/core/weights/audit/consensus";
import { sharesOf } from "@assay/core/weights/audit/shares";
import { type DevChain, startDevChain } from "@assay/localnet/chain/dev-chain";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { expect, onTestFinished, test, vi } from "vitest";
import { assayIn } from "./command-line.ts";

const NETUID = 2;
const TEMPO = 20;
const SUBNET = "SubtensorModule";
type Pairs = readonly (readonly [Uid, number])[];

/** Validators by uid: three that measure, one that copies uid 0, one that copies the consensus, and so on; miners follow. */
const WHO = ["measures", "measures", "measures", "copies", "follows", "lags", "strays", "silent"] as const;
const STAKES = WHO.map((who) => (who === "measures" ? 3n * 10n ** 12n : 10n ** 12n));
const HOTKEYS = await Promise.all(
  [...WHO, "miner", "miner", "miner", "miner"].map(
    async (_who, uid) => (await loadHotkey({ uri: `//Neuron//${uid}` })).address,
  ),
);

const pairs = (...weights: readonly [number, number, number, number]): Pairs =>
  weights.map((weight, index) => [WHO.length + index, weight] as const);

/** What was set in the first tempo, and what in the second. */
const FIRST: Readonly<Record<number, Pairs>> = {
  0: pairs(65_535, 46_000, 20_000, 9_000),
  1: pairs(65_535, 41_000, 19_700, 9_100),
  2: pairs(65_535, 39_200, 20_600, 8_800),
  3: pairs(1, 2, 3, 65_535),
  5: pairs(65_535, 42_500, 21_000, 9_500),
  6: pairs(9_000, 9_500, 65_535, 100),
};
const SECOND: Readonly<Record<number, Pairs>> = {
  0: pairs(9_000, 65_535, 50_000, 30_000),
  1: pairs(9_200, 65_535, 49_000, 30_500),
  2: pairs(8_900, 65_535, 50_700, 29_600),
  3: pairs(65_535, 46_000, 20_000, 9_000),
  4: copyOfConsensus(),
  6: pairs(65_535, 0, 100, 0),
};

function copyOfConsensus(): Pairs {
  const votes = Object.entries(FIRST).map(([uid, weights]) => {
    return { stakeRao: STAKES[Number(uid)] ?? 0n, shares: sharesOf(weights) };
  });
  const median = stakeMedian(votes);
  const largest = Math.max(...median.values());
  return [...median].map(([uid, share]) => [uid, Math.round((share / largest) * 65_535)] as const);
}

interface Played {
  readonly chain: DevChain;
  readonly env: Readonly<Record<string, string>>;
}

async function startSubnet(commitReveal = false): Promise<Played> {
  const chain = await startDevChain({
    netuid: NETUID,
    neurons: HOTKEYS.map((hotkey, uid) => ({ hotkey, stakeRao: STAKES[uid] ?? 0n, permit: uid < WHO.length })),
    finalityLag: 2,
    manual: true,
    blockMillis: 1000,
    genesisMillis: 1_760_000_000_000,
    hyperparameters: {
      tempo: TEMPO,
      weightsSetRateLimit: 0,
      stakeThreshold: 0n,
      commitRevealWeightsEnabled: commitReveal,
      commitRevealWeightsVersion: 3,
    },
  });
  onTestFinished(() => chain.close());
  return { chain, env: { CHAIN_ENDPOINT: chain.url, NETUID: String(NETUID), WALLET_PATH: "/nowhere" } };
}

/** Two tempos in which weights were set, and some blocks of the third. Blocks are the same each time it is played. */
async function playTwoTempos(commitReveal = false): Promise<Played> {
  const played = await startSubnet(commitReveal);
  const { chain } = played;
  const set = (weights: Readonly<Record<number, Pairs>>, block: number) => {
    chain.buildUntil(block - 1);
    for (const [uid, given] of Object.entries(weights))
      chain.writeStorage(SUBNET, "Weights", [NETUID, Number(uid)], given);
    const updates = chain.readStorage(SUBNET, "LastUpdate", [NETUID]) as readonly number[];
    chain.writeStorage(
      SUBNET,
      "LastUpdate",
      [NETUID],
      updates.map((before, uid) => (uid in weights ? block : before)),
    );
    chain.buildBlock();
  };
  set(FIRST, 6);
  set(SECOND, 26);
  chain.buildUntil(45);
  return played;
}

async function audit(env: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const { exitCode, out } = await assayIn(env, "audit", ...args, "--json");
  return { exitCode, report: JSON.parse(out) };
}

const labelsOf = (report: { readonly validators: readonly { readonly label: string }[] }) =>
  report.validators.map(({ label }) => label);

const LABELS = ["in_line", "in_line", "in_line", "copier", "copier", "laggard", "diverger", "silent"];

test("tells who copies whom, who lags, strays or is silent, by the newest complete tempo", async () => {
  const { env } = await playTwoTempos();
  const { exitCode, report } = await audit(env, "--laggard-tempos", "1");
  expect([exitCode, labelsOf(report)]).toEqual([0, LABELS]);
  const [honest, , , copier, follower, laggard, stray, silent] = report.validators;
  expect(report).toMatchObject({
    netuid: 2,
    block: 39,
    earlierBlock: 19,
    commitReveal: false,
    terms: { tempoBlocks: 20, laggardTempos: 1, divergerDistance: 0.25, copyDistance: 0.001 },
    problems: [],
  });
  expect(honest).toMatchObject({ uid: 0, hotkey: HOTKEYS[0], stakeRao: "3000000000000", lastUpdate: 26, copies: [] });
  expect(honest.distance).toBeLessThan(0.01);
  expect(copier.copies).toEqual([{ kind: "validator", uid: 0, hotkey: HOTKEYS[0] }]);
  expect(follower.copies).toEqual([{ kind: "consensus", rule: "median" }]);
  expect(laggard).toMatchObject({ uid: 5, lastUpdate: 6 });
  expect(stray.differences[0]).toMatchObject({ uid: 8, share: 65_535 / 65_635 });
  expect(silent).toMatchObject({ uid: 7, distance: null });
});

test("for people, with the defaults", async () => {
  const { env } = await playTwoTempos();
  const { exitCode, out } = await assayIn(env, "audit");
  expect(exitCode).toBe(0);
  expect(out).toMatch(
    /^Subnet 2 at block 39, copies told by block 19:\n {2}uid +hotkey +stake +update +elsewhere +label\n/,
  );
  expect(out).toMatch(new RegExp(`  0    ${HOTKEYS[0]}  3,000  13 blocks ago  0\\.\\d\\d %     in_line\n`));
  expect(out).toContain(`copier    of uid 0 (${HOTKEYS[0]})\n`);
  expect(out).toContain("copier    of the consensus (median)\n");
  expect(out).toMatch(/diverger {2}uid 8: 99\.85 %, not \d+\.\d\d %; uid 9: 0\.00 %, not \d+\.\d\d %; uid 1\d: /);
  expect(out).toMatch(/never +silent\n1 silent, 2 copier, 2 diverger, 3 in_line\n$/);
});

test("a block of the running tempo can be named, and one that is not final is refused", async () => {
  const { env } = await playTwoTempos();
  const { exitCode, report } = await audit(env, "--block", "43");
  expect([exitCode, report.block, report.earlierBlock]).toEqual([0, 43, 39]);
  expect(labelsOf(report)).not.toContain("copier");
  expect(await audit(env, "--block", "44")).toMatchObject({ exitCode: 2, report: { error: { code: "CLI_USAGE" } } });
});

test("in a subnet's first tempo nothing is there to copy", async () => {
  const { chain, env } = await startSubnet();
  chain.buildUntil(9);
  const { exitCode, report } = await audit(env);
  expect([exitCode, report.block, report.earlierBlock]).toEqual([0, 7, null]);
  expect(new Set(labelsOf(report))).toEqual(new Set(["silent"]));
});

test("what a node has dropped is told with its code, and read from an archive node when one is named", async () => {
  const [{ chain, env }, archive] = [await playTwoTempos(), await playTwoTempos()];
  chain.pruneBelow(38);
  const missing = await audit(env, "--laggard-tempos", "1");
  expect(missing).toMatchObject({ exitCode: 1, report: { block: 39, earlierBlock: null } });
  expect(missing.report.problems).toEqual([
    {
      code: "CHAIN_STATE_DISCARDED",
      message: "No endpoint has the state of a block any more; name an archive node with --chain-archive-endpoint",
      fields: { block: 19 },
    },
  ]);
  expect(labelsOf(missing.report)).toEqual([
    "in_line",
    "in_line",
    "in_line",
    "diverger",
    "diverger",
    "laggard",
    "diverger",
    "silent",
  ]);

  const whole = await audit(env, "--laggard-tempos", "1", "--chain-archive-endpoint", archive.chain.url);
  expect([whole.exitCode, labelsOf(whole.report)]).toEqual([0, LABELS]);

  chain.pruneBelow(42);
  expect(await audit(env)).toMatchObject({
    exitCode: 1,
    report: { error: { code: "CHAIN_STATE_DISCARDED", fields: { block: 39 } } },
  });
  const archived = await audit({ ...env, CHAIN_ARCHIVE_ENDPOINT: archive.chain.url }, "--laggard-tempos", "1");
  expect([archived.exitCode, labelsOf(archived.report)]).toEqual([0, LABELS]);
});

test("where weights are hidden, whoever has a commit open is named so, with what is visible", async () => {
  const { chain, env } = await playTwoTempos(true);
  const signer = await loadHotkey({ uri: "//Neuron//6" });
  const client = new PolkadotChainClient(
    { logger: createMemoryLogger(), signer },
    { endpoints: [chain.url], requestDeadlineMillis: 5_000, headSilenceMillis: 60_000 },
  );
  await client.start(AbortSignal.timeout(10_000));
  onTestFinished(() => client.stop());
  const call = { kind: "commit_weights", netuid: NETUID, commitHash: `0x${"ab".repeat(32)}` } as const;
  const committing = client.submit(call, { signal: AbortSignal.timeout(20_000), deadlineBlock: 55 });
  const { block } = await vi.waitFor(
    async () => {
      chain.buildBlock();
      return await Promise.race([committing, Promise.reject(new Error("not yet"))]);
    },
    { timeout: 20_000, interval: 50 },
  );
  const { exitCode, report } = await audit(env, "--block", String(block));
  expect([exitCode, report.commitReveal]).toEqual([0, true]);
  expect(report.validators[6]).toMatchObject({ label: "hidden", visible: "diverger", pendingCommits: 1, copies: [] });
  expect(report.validators[0]).toMatchObject({ label: "in_line", visible: null, pendingCommits: 0 });
  const { out } = await assayIn(env, "audit", "--block", String(block));
  expect(out).toContain("weights hidden by commit and reveal:\n");
  expect(out).toContain("hidden    its visible weights: diverger\n");
});

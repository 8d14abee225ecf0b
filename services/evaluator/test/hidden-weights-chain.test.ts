import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadHotkey } from "@assay/chain/hotkey";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import { NINE_PHASE_45 } from "@assay/core/cycle/phase";
import { SCORES_ALONE, type WeightPolicy } from "@assay/core/weights/weight-policy";
import { type DevChain, startDevChain } from "@assay/localnet/chain/dev-chain";
import { chainWindows } from "@assay/localnet/chain/weight-windows";
import { createMemoryLogger, type MemoryLogger } from "@assay/runtime/logging/memory-logger";
import { Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { createEvaluatorMetrics } from "../src/metrics.ts";
import { WeightDuty } from "../src/weights/weight-duty.ts";
import { createWeightProcessor } from "../src/weights/weight-processor.ts";
import { eventually, openQueues, useRedis } from "./queues.ts";
import { saveRound } from "./rounds.ts";
import { NETUID, openLedger, VALIDATOR_UID } from "./stage.ts";

useRedis();

const TEMPO = 20;
const MINERS = ["//Miner//0", "//Miner//1"] as const;
const addressOf = async (uri: string) => (await loadHotkey({ uri })).address;

async function startChain(version: number): Promise<DevChain> {
  const chain = await startDevChain({
    netuid: NETUID,
    neurons: [
      { hotkey: await addressOf("//Validator//0"), stakeRao: 10n ** 12n, permit: true },
      ...(await Promise.all(MINERS.map(async (uri) => ({ hotkey: await addressOf(uri) })))),
    ],
    hyperparameters: {
      tempo: TEMPO,
      weightsSetRateLimit: 4,
      commitRevealWeightsEnabled: true,
      commitRevealWeightsVersion: version,
    },
    manual: true,
    poolChecks: true,
  });
  onTestFinished(() => chain.close());
  return chain;
}

async function connect(chain: DevChain, logger: MemoryLogger): Promise<PolkadotChainClient> {
  const signer = await loadHotkey({ uri: "//Validator//0" });
  const client = new PolkadotChainClient(
    { logger, signer },
    { endpoints: [chain.url], requestDeadlineMillis: 5_000, headSilenceMillis: 60_000 },
  );
  await client.start(AbortSignal.timeout(10_000));
  onTestFinished(() => client.stop());
  return client;
}

/** A validator's weights, from a closed round on; `step` builds a block and looks. */
async function openOffice(chain: DevChain, weights: WeightPolicy = SCORES_ALONE) {
  const folder = await mkdtemp(join(tmpdir(), "assay-hidden-"));
  const logger = createMemoryLogger("evaluator");
  const client = await connect(chain, logger);
  const ledger = await openLedger(folder);
  onTestFinished(async () => {
    await ledger.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const { id } = await saveRound({ ledger }, 0);
  const hotkeys = await Promise.all(MINERS.map(addressOf));
  const states = hotkeys.map((hotkey, index) => {
    return { uid: index + 1, hotkey, ema: 0.2 / (index + 1), points: 1, lastRound: id };
  });
  await ledger.scores.closeRound(id, { states, rows: [] });
  const queues = await openQueues();
  const metrics = createEvaluatorMetrics(new Registry());
  const components = { chain: client, ledger, layout: new CheckpointLayout(folder), metrics, logger };
  const dryRun = false;
  await queues.work("weights", createWeightProcessor(components, { dryRun }), 1);
  const network = { schedule: NINE_PHASE_45, weights };
  const duty = new WeightDuty({ ...components, weights: queues.board("weights") }, { netuid: NETUID, network, dryRun });
  const step = async () => {
    const { number } = chain.buildBlock();
    await eventually(() => expect(client.head().number).toBeGreaterThanOrEqual(number));
    await duty.run(client.head());
  };
  return { client, ledger, logger, step };
}

/** With real ciphertexts, signatures and nonces, in a real client's eyes. */
test.each([
  ["time-locked weights are opened by the chain", 4],
  ["weights committed by hash are shown by us", 3],
] as const)("%s and verified, with one commit in each window", async (_case, version) => {
  const chain = await startChain(version);
  const { client, ledger, logger, step } = await openOffice(chain);
  await eventually(async () => {
    await step();
    expect((await ledger.intents.latest())?.state).toBe("committed");
  });
  const { id = "" } = (await ledger.intents.latest()) ?? {};
  const commit = await ledger.reveals.latest(id);
  expect(await client.pendingCommits(NETUID, client.hotkey ?? "", client.finalizedHead().hash)).toEqual([commit?.hash]);
  expect(await client.weights(NETUID, VALIDATOR_UID)).toEqual([]);

  await eventually(async () => {
    await step();
    expect((await ledger.intents.get(id))?.state).toBe("verified");
  });
  expect(client.head().number).toBeLessThan(3 * TEMPO);
  expect(await client.weights(NETUID, VALIDATOR_UID)).toEqual([
    [1, 65_535],
    [2, 32_768],
  ]);
  expect(chainWindows(chain, { netuid: NETUID, uid: VALIDATOR_UID })).toMatchObject({ missed: [], doubled: [] });
  expect(logger.lines().filter((line) => /ERROR|WARN/.test(line))).toEqual([]);
});

test("the burn share is committed, shown and read back as the chain stores it", async () => {
  const chain = await startChain(4);
  const [, owner] = await Promise.all(MINERS.map(addressOf));
  chain.writeStorage("SubtensorModule", "SubnetOwnerHotkey", [NETUID], owner);
  chain.buildBlock();
  const { client, ledger, logger, step } = await openOffice(chain, { burnShare: 0.25, allZero: "skip" });
  await eventually(async () => {
    await step();
    expect(await ledger.intents.latestVerified()).not.toBeNull();
  });
  expect(await ledger.intents.latestVerified()).toMatchObject({
    origin: "scores",
    uids: [1, 2],
    weights: [65_535, 65_535],
  });
  expect(await client.weights(NETUID, VALIDATOR_UID)).toEqual([
    [1, 65_535],
    [2, 65_535],
  ]);
  expect(logger.lines()).toContain(
    "[INFO] Planned weights | round: 31 | origin: scores | burned: 0.5 | capped: 0 | gone: 0",
  );
});

import { join } from "node:path";
import { Ledger } from "@assay/ledger/ledger";
import { startDevChain } from "@assay/localnet/chain/dev-chain";
import { expect, onTestFinished, test } from "vitest";
import { type CycleProcess, startCycle, toldMetric } from "./cycle-process.ts";
import { eventually, openQueues, useRedis } from "./queues.ts";
import { startProcess } from "./service-process.ts";
import { NETUID, openStage, type Stage, VALIDATOR_UID } from "./stage.ts";
import { closeRound } from "./weight-office.ts";

useRedis();

async function openSubnet({ validator, miners }: Stage) {
  const chain = await startDevChain({
    netuid: NETUID,
    neurons: [
      { hotkey: validator.hotkey, stakeRao: 10n ** 12n, permit: true },
      ...miners.map(({ hotkey }) => ({ hotkey })),
    ],
    hyperparameters: { tempo: 24, weightsSetRateLimit: 4 },
    blockMillis: 150,
  });
  onTestFinished(() => chain.close());
  return chain;
}

async function newestIntent({ folder }: Stage) {
  const ledger = await Ledger.openReadOnly({ path: join(folder, "ledger.sqlite") });
  try {
    return await ledger.intents.latest();
  } finally {
    await ledger.stop();
  }
}

/** What `assay weights why` says beside the running validator. */
async function whyNow({ folder, layout, validator }: Stage, endpoint: string): Promise<readonly string[]> {
  const places = [`--checkpoint-cache-dir=${layout.root}`, `--ledger-path=${join(folder, "ledger.sqlite")}`];
  const about = [`--chain-endpoint=${endpoint}`, `--netuid=${NETUID}`, `--hotkey=${validator.hotkey}`];
  const args = ["weights", "why", ...places, ...about];
  const command = startProcess({ entry: "packages/cli/src/main.ts", args, cwd: folder });
  await command.line(/not_registered.*not registered|^not_registered/i);
  return command.lines;
}

const succeeded = (cycle: CycleProcess) => toldMetric(cycle, "chain_set_weights_success");
const blocked = (cycle: CycleProcess) => toldMetric(cycle, 'chain_weights_blocked_total{reason="not_registered"}');

test("weights of a validator that loses its slot wait for that reason, and are set again when it has one", async () => {
  const stage = await openStage({ model: true });
  await closeRound(stage, 0, { 1: 0.2, 2: 0.1 });
  await stage.ledger.stop();
  const chain = await openSubnet(stage);
  const cycle = await startCycle(stage, chain, await openQueues());
  await cycle.line(/set_weights\(\) confirmed/);
  expect([await succeeded(cycle), await blocked(cycle)]).toEqual([1, null]);

  chain.deregister(stage.validator.hotkey);
  await eventually(async () => {
    expect(await newestIntent(stage)).toMatchObject({ state: "planned", reason: "not_registered" });
    expect([await succeeded(cycle), await blocked(cycle)]).toEqual([0, 1]);
  });
  expect(await whyNow(stage, chain.url)).toEqual(
    expect.arrayContaining([expect.stringMatching(/are planned: .* from scores, .*reason not_registered/)]),
  );
  await cycle.line(/\[ERROR\] Weights were not set \| .*waited_for: not_registered/);
  expect(await succeeded(cycle)).toBe(0);

  chain.register({ hotkey: stage.validator.hotkey, uid: VALIDATOR_UID, stakeRao: 10n ** 12n, permit: true });
  await eventually(async () => expect(await succeeded(cycle)).toBe(1));
  expect(await newestIntent(stage)).toMatchObject({ state: "verified", reason: null });
  expect(await cycle.stop()).toBe(0);
});

import { readFile } from "node:fs/promises";
import { loadHotkey } from "@assay/chain/hotkey";
import { type CycleSchedule, NINE_PHASE_45 } from "@assay/core/cycle/phase";
import { type DevChain, startDevChain } from "@assay/localnet/chain/dev-chain";
import { expect, onTestFinished, test } from "vitest";
import { startCycle, toldMetric } from "./cycle-process.ts";
import { eventually, openQueues, useRedis } from "./queues.ts";
import { NETUID, openStage } from "./stage.ts";

useRedis();

const VALIDATOR = "//Validator//0";
const SUBNET = "SubtensorModule";
/** Cycle 0 commits from block 40 on, for as long as a test may take. */
const schedule: CycleSchedule = { ...NINE_PHASE_45, validatorCommit1: 2_000 };

async function addressOf(uri: string): Promise<string> {
  return (await loadHotkey({ uri })).address;
}

/** A subnet whose slot 0 is somebody else's. */
async function startChain(): Promise<DevChain> {
  const neurons = [{ hotkey: await addressOf("//Stranger"), stakeRao: 10n ** 12n, permit: true }];
  const chain = await startDevChain({ netuid: NETUID, neurons, blockMillis: 150 });
  onTestFinished(() => chain.close());
  return chain;
}

/** Gives slot 0 to a hotkey. */
async function giveSlot(chain: DevChain, uri: string): Promise<void> {
  chain.register({ hotkey: await addressOf(uri), uid: 0, stakeRao: 10n ** 12n, permit: true });
}

async function readyAt(url: string): Promise<readonly [number, unknown]> {
  const answer = await fetch(`${url}/ready`);
  return [answer.status, await answer.json()];
}

test("without a slot the validator waits, serves its peers, and goes on by itself when it gets one", async () => {
  const stage = await openStage({ model: true, schedule });
  await stage.ledger.merges.record({ cycle: 0, version: 1, digest: "ef".repeat(32), groups: [] });
  await stage.ledger.stop();
  const chain = await startChain();
  const cycle = await startCycle(stage, chain, await openQueues());
  const { url } = cycle;
  await cycle.line(/\[WARN\] Waiting: The hotkey is not registered on the subnet \| netuid: 2 \| .*not_registered/);
  await cycle.line(/Service started/);
  expect(await readyAt(url)).toEqual([
    503,
    { status: "unavailable", reason: "The hotkey is not registered on the subnet" },
  ]);
  expect(await toldMetric(cycle, 'evaluator_waiting{reason="not_registered"}')).toBe(1);
  await cycle.line(/\[INFO\] .*waiting: not_registered/);
  await eventually(() => expect(chain.head.number).toBeGreaterThan(48));
  const view = JSON.parse(await readFile(stage.layout.chainView, "utf8")) as { readonly block: number };
  expect(view.block).toBeGreaterThan(40);

  await giveSlot(chain, VALIDATOR);
  await cycle.line(/\[WARN\] Waiting: The hotkey has no validator permit|\[INFO\] The hotkey can validate again/);
  await eventually(async () => expect(await readyAt(url)).toEqual([200, { status: "ok" }]));
  await cycle.line(/Committed signed model hash/);

  for (const [change, reason] of [
    [() => chain.writeStorage(SUBNET, "ValidatorPermit", [NETUID], [false]), "The hotkey has no validator permit"],
    [
      () => {
        chain.writeStorage(SUBNET, "ValidatorPermit", [NETUID], [true]);
        chain.setHyperparameters({ stakeThreshold: 10n ** 13n });
      },
      "The hotkey's stake is below the chain's threshold for weights",
    ],
    [async () => chain.deregister(await addressOf(VALIDATOR)), "The hotkey is not registered on the subnet"],
  ] as const) {
    await change();
    await eventually(async () => expect(await readyAt(url)).toEqual([503, { status: "unavailable", reason }]));
  }
  expect(cycle.lines.filter((line) => /ERROR/.test(line))).toEqual([]);
  expect(await cycle.stop()).toBe(0);
});

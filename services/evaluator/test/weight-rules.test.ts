import type { WeightPolicy } from "@assay/core/weights/weight-policy";
import { describe, expect, test } from "vitest";
import { shown } from "./hidden-office.ts";
import { useRedis } from "./queues.ts";
import { saveRound } from "./rounds.ts";
import type { Stage, StageOptions } from "./stage.ts";
import { closeRound, lookUntil, openWeightOffice, processorOf, runJob, type WeightOffice } from "./weight-office.ts";

useRedis();

const ALONE: WeightPolicy = { burnShare: 0, allZero: "skip" };

/** Windows of 20 blocks, of which the rate limit takes none. */
async function openOffice(policy: Partial<WeightPolicy> = {}, options: StageOptions = {}): Promise<WeightOffice> {
  const hyperparameters = { weightsRateLimit: 1, ...options.hyperparameters };
  return await openWeightOffice({ ...options, hyperparameters, weights: { ...ALONE, ...policy } });
}

/** Lets duty and worker act block by block until this intent is on chain. */
async function verified(office: WeightOffice, id: string): Promise<void> {
  await lookUntil(office, async () => expect(await office.ledger.intents.get(id)).toMatchObject({ state: "verified" }));
}

/** The newest of our events about weights. */
async function newestEvent({ ledger }: Stage) {
  return (await ledger.events.recent(20)).find(({ kind }) => /^weights_/.test(kind));
}

describe("a slot that changes hands between plan and sending", () => {
  test("stops the weights, and what is planned anew leaves its new owner without any", async () => {
    const office = await openOffice();
    await closeRound(office, 0, { 1: 0.2, 2: 0.1, 3: 0.1 });
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({ id: "2-0-0", uids: [1, 2, 3], origin: "scores" });
    office.chain.register(1, { hotkey: "newcomer" });
    office.chain.buildBlock();
    expect(await runJob(office, "2-0-0")).toEqual({ intentId: "2-0-0", state: "outdated" });
    expect(office.chain.calls).toBe(0);

    office.restart();
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({
      id: "2-0-0-r1",
      uids: [2, 3],
      hotkeys: [office.miner(2).hotkey, office.miner(3).hotkey],
    });
    expect(office.logger.lines().at(-1)).toBe(
      "[INFO] Planned weights | round: 31 | origin: scores | burned: 0 | capped: 0 | gone: 1",
    );
    expect(await runJob(office, "2-0-0-r1")).toMatchObject({ state: "verified" });
    expect(await shown(office)).toEqual([
      [2, 65_535],
      [3, 65_535],
    ]);
  });

  test("leaves nothing to plan when nobody is left, and that is said once", async () => {
    const office = await openOffice();
    await closeRound(office, 0, { 1: 0.2 });
    await office.look();
    office.chain.register(1, { hotkey: "newcomer" });
    office.chain.buildBlock();
    await runJob(office, "2-0-0");
    await office.look();
    await office.look();
    expect(await office.ledger.intents.active()).toEqual([]);
    const events = await office.ledger.events.recent(20);
    expect(events.filter(({ fields: { reason } }) => reason === "no_positive_score")).toHaveLength(1);
  });
});

describe("when no miner has a score after weights were set", () => {
  async function afterFirstWeights(policy: Partial<WeightPolicy>): Promise<WeightOffice> {
    const office = await openOffice(policy, { miners: 4 });
    office.chain.setHyperparameters({ ownerHotkey: office.miner(4).hotkey });
    await office.queues.work("weights", processorOf(office));
    await closeRound(office, 0, { 1: 0.2, 2: 0.1, 3: 0.1 });
    await office.look();
    await verified(office, "2-0-0");
    office.chain.register(1, { hotkey: "newcomer" });
    await closeRound(office, 1, { 2: 0, 3: 0 });
    office.chain.buildUntil(21);
    await office.look();
    return office;
  }

  test("the chain keeps what it has, by default", async () => {
    const office = await afterFirstWeights({});
    expect(await newestEvent(office)).toMatchObject({
      kind: "weights_not_set",
      fields: { roundId: 76, reason: "no_positive_score" },
    });
    expect(office.logger.lines().at(-1)).toBe("[WARN] No weights to set | round: 76 | why: no_positive_score");
    expect(await office.ledger.intents.active()).toEqual([]);
    expect(office.chain.calls).toBe(1);
  });

  test("keep_last sets the last ones again, without who left", async () => {
    const office = await afterFirstWeights({ allZero: "keep_last" });
    expect(await newestEvent(office)).toMatchObject({ kind: "weights_planned", fields: { origin: "keep_last" } });
    await verified(office, "2-0-1");
    expect(await shown(office)).toEqual([
      [2, 65_535],
      [3, 65_535],
    ]);
    expect(await office.ledger.intents.get("2-0-1")).toMatchObject({ origin: "keep_last" });
  });

  test("burn gives everything to the owner's slot", async () => {
    const office = await afterFirstWeights({ allZero: "burn" });
    expect(await newestEvent(office)).toMatchObject({ fields: { origin: "burn", burned: 1 } });
    await verified(office, "2-0-1");
    expect(await shown(office)).toEqual([[4, 65_535]]);
  });
});

test("the network's burn share is on chain, as the log said, and is refused without the owner's slot", async () => {
  const office = await openOffice({ burnShare: 0.2 }, { hyperparameters: { ownerHotkey: "" } });
  office.chain.setHyperparameters({ ownerHotkey: office.miner(3).hotkey });
  office.chain.buildBlock();
  await office.queues.work("weights", processorOf(office));
  await closeRound(office, 0, { 1: 0.3, 2: 0.1 });
  await office.look();
  await verified(office, "2-0-0");
  const stored = await shown(office);
  expect(stored).toEqual([
    [1, 65_535],
    [2, 21_845],
    [3, 21_845],
  ]);
  expect(office.logger.lines()[0]).toBe(
    "[INFO] Planned weights | round: 31 | origin: scores | burned: 0.2 | capped: 0 | gone: 0",
  );

  office.chain.setHyperparameters({ ownerHotkey: "" });
  office.chain.buildUntil(21);
  await office.look();
  expect(await newestEvent(office)).toMatchObject({ fields: { reason: "no_burn_slot" } });
  expect(await shown(office)).toEqual(stored);
});

test("the subnet's limits shape the vector or refuse it, before anything is sent", async () => {
  const office = await openOffice({}, { hyperparameters: { maxWeightsLimit: 26_214 } });
  await office.queues.work("weights", processorOf(office));
  await closeRound(office, 0, { 1: 0.8, 2: 0.1, 3: 0.1 });
  await office.look();
  await verified(office, "2-0-0");
  expect(await shown(office)).toEqual([
    [1, 65_535],
    [2, 49_152],
    [3, 49_152],
  ]);
  expect(office.logger.lines()[0]).toContain("| capped: 1 |");

  office.chain.setHyperparameters({ maxWeightsLimit: 10_000 });
  office.chain.buildUntil(21);
  await office.look();
  expect(await newestEvent(office)).toMatchObject({ fields: { reason: "max_weight_unmet", weights: 3, atLeast: 7 } });
  expect(office.chain.calls).toBe(1);
});

describe("when no miner earns for too long", () => {
  const fallback = { afterCycles: 2, top: 2 };

  /** A peer in slot 4 that set weights at block 130, in a subnet where a miner earned last in cycle 0, or never. */
  async function staleOffice(policy: Partial<WeightPolicy>, { earned = true } = {}): Promise<WeightOffice> {
    const office = await openOffice(policy, { miners: 4 });
    office.chain.register(4, { hotkey: office.miner(4).hotkey, stakeRao: 10n ** 9n, permit: true });
    await office.queues.work("weights", processorOf(office));
    if (earned) await closeRound(office, 0, { 1: 0.2 });
    office.chain.change((subnet) => ({
      ...subnet,
      neurons: subnet.neurons.map((neuron) => (neuron.uid === 4 ? { ...neuron, lastUpdate: 130 } : neuron)),
      weights: new Map(subnet.weights).set(4, [
        [1, 65_535],
        [2, 32_768],
        [3, 6_554],
      ]),
    }));
    return office;
  }

  test("those are set that other validators pay most, until a miner earns again", async () => {
    const office = await staleOffice({ fallback });
    office.chain.buildUntil(130);
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({ id: "2-0-6", origin: "scores" });
    office.chain.buildUntil(141);
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({ id: "2-0-7", origin: "fallback" });
    await verified(office, "2-0-7");
    expect(await shown(office)).toEqual([
      [1, 65_535],
      [2, 65_535],
    ]);

    await closeRound(office, 3, { 1: 0.1, 3: 0.3 });
    office.chain.buildUntil(161);
    await office.look();
    await verified(office, "2-0-8");
    expect(await shown(office)).toEqual([
      [1, 21_845],
      [3, 65_535],
    ]);
  });

  test("also where no round ever closed", async () => {
    const office = await staleOffice({ fallback }, { earned: false });
    await saveRound(office, 1);
    office.chain.buildUntil(141);
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({ roundId: 76, origin: "fallback", uids: [1, 2] });
  });

  test("a vote that is older than its miner's registration, or than the wait, does not count", async () => {
    const office = await staleOffice({ fallback: { afterCycles: 3, top: 2 } });
    office.chain.change((subnet) => ({
      ...subnet,
      neurons: subnet.neurons.map((neuron) => (neuron.uid === 1 ? { ...neuron, lastUpdate: 140 } : neuron)),
    }));
    office.chain.buildUntil(181);
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({ origin: "fallback", uids: [2, 3] });
    office.chain.buildUntil(281);
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({ id: "2-0-14", origin: "scores" });
  });

  test("nothing is taken from others unless the network says so", async () => {
    const office = await staleOffice({});
    office.chain.buildUntil(181);
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({ origin: "scores", uids: [1] });
  });
});

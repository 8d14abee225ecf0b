import { rm, writeFile } from "node:fs/promises";
import { resumeWeights, stopWeights } from "@assay/checkpoint/weight-stop";
import { describe, expect, test } from "vitest";
import { eventually, useRedis } from "./queues.ts";
import { metric, NETUID, never, type Stage, VALIDATOR_UID } from "./stage.ts";
import { closeRound, intend, job, openWeightOffice, processorOf, runJob, type WeightOffice } from "./weight-office.ts";

useRedis();

const intentOf = ({ ledger }: Stage) => ledger.intents.get("2-0-0");

/** An office with a closed round and its window planned at block 1. */
async function plannedOffice(options: Parameters<typeof openWeightOffice>[0] = {}): Promise<WeightOffice> {
  const office = await openWeightOffice(options);
  await closeRound(office, 0, { 1: 0.2, 2: 0.1 });
  await office.look();
  return office;
}

function setPermit({ chain }: Stage, validatorPermit: boolean): void {
  chain.change((subnet) => ({
    ...subnet,
    neurons: subnet.neurons.map((neuron) => (neuron.uid === VALIDATOR_UID ? { ...neuron, validatorPermit } : neuron)),
  }));
  chain.buildBlock();
}

describe("a condition that the chain would refuse", () => {
  test("keeps weights from being sent, is told once, and lets them go when it is gone", async () => {
    const office = await plannedOffice();
    setPermit(office, false);
    for (let looks = 0; looks < 3; looks += 1) {
      expect(await processorOf(office)(job("2-0-0"), never)).toEqual({ intentId: "2-0-0", state: "waiting" });
      office.chain.buildBlock();
    }
    expect(await intentOf(office)).toMatchObject({ state: "planned", reason: "no_permit" });
    expect(office.chain.calls).toBe(0);
    expect(await office.ledger.events.recent(9)).toMatchObject([
      { kind: "weights_blocked", block: 2, fields: { roundId: 31, tempo: 0, reason: "no_permit", uid: 0 } },
    ]);
    expect(await metric(office, "chain_weights_blocked_total", { reason: "no_permit" })).toBe(1);
    expect(office.logger.lines()).toEqual(["[WARN] Weights wait | why: no_permit | uid: 0"]);

    setPermit(office, true);
    expect(await runJob(office, "2-0-0")).toMatchObject({ state: "verified" });
    expect(await intentOf(office)).toMatchObject({ state: "verified", reason: null });
    expect(office.logger.lines()[1]).toBe("[INFO] Nothing is in the way of the weights any more | round: 31");
    expect(office.chain.calls).toBe(1);
  });

  test("that lasts to the end of the window is the reason for which it had none", async () => {
    const office = await plannedOffice();
    setPermit(office, false);
    await processorOf(office)(job("2-0-0"), never);
    office.chain.buildUntil(20);
    expect(await processorOf(office)(job("2-0-0"), never)).toMatchObject({ state: "expired" });
    expect(await office.ledger.events.recent(1)).toMatchObject([
      { kind: "weights_not_set", fields: { reason: "expired", waited_for: "no_permit" } },
    ]);
    expect(office.logger.lines().at(-1)).toBe(
      "[ERROR] Weights were not set | round: 31 | why: expired | deadline: 20 | waited_for: no_permit",
    );
  });

  test.each([
    ["stake_too_low", (office: Stage) => office.chain.setHyperparameters({ stakeThresholdRao: 10n ** 13n })],
    ["too_few_weights", (office: Stage) => office.chain.setHyperparameters({ minAllowedWeights: 3 })],
    ["weight_too_large", (office: Stage) => office.chain.setHyperparameters({ maxWeightsLimit: 1_000 })],
    ["not_registered", (office: Stage) => office.chain.register(VALIDATOR_UID, { hotkey: "somebody" })],
  ] as const)("is noted as %s", async (reason, spoil) => {
    const office = await plannedOffice();
    spoil(office);
    office.chain.buildBlock();
    expect(await processorOf(office)(job("2-0-0"), never)).toMatchObject({ state: "waiting" });
    expect(await intentOf(office)).toMatchObject({ state: "planned", reason });
    expect(await metric(office, "chain_weights_blocked_total", { reason })).toBe(1);
    expect(office.chain.calls).toBe(0);
  });

  test("of a neuron registered within the tempo is the rate limit, and then it goes on", async () => {
    const office = await openWeightOffice();
    await closeRound(office, 0, { 1: 0.2 });
    office.chain.change((subnet) => ({
      ...subnet,
      neurons: subnet.neurons.map((neuron) => (neuron.uid === VALIDATOR_UID ? { ...neuron, lastUpdate: 2 } : neuron)),
    }));
    office.chain.buildUntil(6);
    await office.look();
    expect(await processorOf(office)(job("2-0-0"), never)).toMatchObject({ state: "waiting" });
    expect(await intentOf(office)).toMatchObject({ reason: "rate_limited" });
    office.chain.buildUntil(11);
    expect(await runJob(office, "2-0-0")).toMatchObject({ state: "verified" });
    expect((await intentOf(office))?.block).toBeGreaterThanOrEqual(12);
    expect(office.chain.calls).toBe(1);
  });

  test("of a subnet that does not exist is told once, without an intent", async () => {
    const office = await openWeightOffice();
    await closeRound(office, 0, { 1: 0.2 });
    office.restart({ netuid: 77 });
    await office.look();
    office.chain.buildBlock();
    await office.look();
    expect(await office.ledger.intents.latest()).toBeNull();
    expect(await office.ledger.events.recent(9)).toMatchObject([
      { kind: "weights_blocked", fields: { reason: "subnet_unknown" } },
    ]);
  });
});

describe("a plan that the chain has left behind", () => {
  test.each([
    ["version_key", (office: Stage) => office.chain.setHyperparameters({ weightsVersionKey: 9n })],
    ["uid_reassigned", (office: Stage) => office.chain.register(1, { hotkey: "newcomer" })],
  ] as const)("by %s is made anew in the same window, and set once", async (reason, change) => {
    const office = await plannedOffice();
    change(office);
    office.chain.buildBlock();
    expect(await processorOf(office)(job("2-0-0"), never)).toEqual({ intentId: "2-0-0", state: "outdated" });
    expect(await processorOf(office)(job("2-0-0"), never)).toEqual({ intentId: "2-0-0", state: "outdated" });
    expect(await intentOf(office)).toMatchObject({ state: "failed", reason });
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({ id: "2-0-0-r1", attempt: 1, state: "planned" });
    expect(await runJob(office, "2-0-0-r1")).toMatchObject({ state: "verified" });
    expect(office.chain.calls).toBe(1);
  });
});

describe("a foreign set of weights", () => {
  /** Another process with the same key sets other weights. */
  async function setElsewhere({ chain, client }: Stage): Promise<void> {
    const call = { kind: "set_weights", netuid: NETUID, uids: [3], weights: [65_535], versionKey: 0n } as const;
    const sent = client.submit(call, { signal: never, deadlineBlock: chain.head.number + 5 });
    chain.buildUntil(chain.head.number + 3);
    await sent;
  }

  test("in the window ends its intent with an alarm and no second set", async () => {
    const office = await plannedOffice();
    await setElsewhere(office);
    expect(await runJob(office, "2-0-0")).toEqual({ intentId: "2-0-0", state: "foreign" });
    expect(await runJob(office, "2-0-0")).toEqual({ intentId: "2-0-0", state: "foreign" });
    expect(await intentOf(office)).toMatchObject({ state: "foreign", block: 2 });
    expect(await office.ledger.events.recent(1)).toMatchObject([{ kind: "weights_foreign", block: 2 }]);
    expect(office.logger.lines()).toEqual([
      "[ERROR] Weights of our hotkey were set that we did not set; another process signs with it | block: 2 | round: 31 | tempo: 0",
    ]);
    expect(await metric(office, "chain_set_weights_total", { result: "foreign" })).toBe(1);
    expect(await metric(office, "chain_set_weights_success")).toBe(0);
    expect(office.chain.calls).toBe(1);
  });

  test("before the window was planned is found by its intent", async () => {
    const office = await openWeightOffice();
    await closeRound(office, 0, { 1: 0.2 });
    await setElsewhere(office);
    await office.look();
    expect(await runJob(office, "2-0-0")).toMatchObject({ state: "foreign" });
    expect(office.chain.calls).toBe(1);
  });

  test("that is not final yet is waited for, and the next window is ours again", async () => {
    const office = await plannedOffice();
    const call = { kind: "set_weights", netuid: NETUID, uids: [3], weights: [65_535], versionKey: 0n } as const;
    void office.client.submit(call, { signal: never, deadlineBlock: 9 });
    office.chain.buildBlock();
    expect(await runJob(office, "2-0-0")).toMatchObject({ state: "foreign" });
    expect(office.chain.head.number).toBe(4);
    office.chain.buildUntil(21);
    await office.look();
    expect(await runJob(office, "2-0-1")).toMatchObject({ state: "verified" });
  });
});

describe("an operator's stop", () => {
  const STOP = { reason: "moving hosts", at: 1_700_000_000_000 };

  test("keeps an intent waiting over a restart, and lets it go", async () => {
    const office = await plannedOffice();
    await stopWeights(office.layout, STOP);
    await office.look();
    expect(await metric(office, "chain_weights_stopped")).toBe(1);
    expect(await processorOf(office)(job("2-0-0"), never)).toMatchObject({ state: "waiting" });
    office.restart();
    await office.look();
    expect(await intentOf(office)).toMatchObject({ state: "planned", reason: "stopped" });
    expect(office.logger.lines()).toEqual(["[WARN] Weights wait | why: stopped | said: moving hosts"]);

    await resumeWeights(office.layout);
    await office.look();
    expect(await metric(office, "chain_weights_stopped")).toBe(0);
    expect(await runJob(office, "2-0-0")).toMatchObject({ state: "verified" });
    expect(office.chain.calls).toBe(1);
  });

  test("ends the waiting for a call that is under way, which is not signed again", async () => {
    const office = await plannedOffice();
    office.chain.setIncluding(false);
    const sending = processorOf(office)(job("2-0-0"), never);
    await eventually(async () => expect((await intentOf(office))?.state).toBe("signed"));
    await stopWeights(office.layout, STOP);
    office.chain.buildBlock();
    expect(await sending).toEqual({ intentId: "2-0-0", state: "waiting" });
    expect(await intentOf(office)).toMatchObject({ state: "signed", reason: "stopped" });

    office.chain.setIncluding(true);
    office.chain.buildUntil(6);
    await resumeWeights(office.layout);
    expect(await runJob(office, "2-0-0")).toMatchObject({ state: "verified" });
    expect(office.chain.calls).toBe(2);
  });

  test("whose file is damaged stops too, and there is none where its folder is no folder", async () => {
    const office = await plannedOffice();
    await stopWeights(office.layout, STOP);
    await writeFile(office.layout.weightStop, "not JSON");
    expect(await processorOf(office)(job("2-0-0"), never)).toMatchObject({ state: "waiting" });
    await rm(office.layout.weightStop);
    await rm(office.layout.state, { recursive: true });
    await writeFile(office.layout.state, "no folder");
    expect(await runJob(office, "2-0-0")).toMatchObject({ state: "verified" });
  });
});

describe("a validator that only plans", () => {
  test("writes each window's weights and what they would change, and sends none", async () => {
    const office = await openWeightOffice();
    await closeRound(office, 0, { 1: 0.2, 2: 0.1 });
    office.restart({ dryRun: true });
    await office.look();
    office.chain.buildBlock();
    await office.look();
    expect(await office.ledger.intents.latestDryRun()).toMatchObject({
      id: "dry-2-0-0",
      state: "dry_run",
      uids: [1, 2],
    });
    expect(await office.ledger.intents.latest()).toBeNull();
    expect(await office.ledger.events.recent(9)).toMatchObject([
      { kind: "weights_dry_run", block: 1, fields: { roundId: 31, tempo: 0, weights: 2, changes: 2 } },
    ]);
    expect(office.logger.lines()).toEqual([
      "[INFO] Dry run: weights were planned and not sent | round: 31 | uids: 2 | changes: 2",
    ]);
    expect(await office.queues.queue("weights").counts()).toMatchObject({ waiting: 0 });
    office.restart();
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({ id: "2-0-0", state: "planned" });
  });

  test("sends nothing of what it planned before either", async () => {
    const office = await openWeightOffice();
    await intend(office);
    expect(await processorOf(office, { dryRun: true })(job("2-0-0"), never)).toMatchObject({ state: "waiting" });
    expect(await intentOf(office)).toMatchObject({ state: "planned", reason: "dry_run" });
    expect(office.chain.calls).toBe(0);
  });
});

import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import type { WeightPlan } from "@assay/ledger/intents";
import { describe, expect, test } from "vitest";
import { WeightDuty } from "../src/weights/weight-duty.ts";
import { createWeightProcessor } from "../src/weights/weight-processor.ts";
import { eventually, openQueues, type Queues, useRedis } from "./queues.ts";
import { saveRound } from "./rounds.ts";
import { metric, NETUID, never, openStage, type Stage, type StageOptions, VALIDATOR_UID } from "./stage.ts";

useRedis();

interface Office extends Stage {
  readonly queues: Queues;
  plan(): Promise<void>;
}

async function openOffice(options: StageOptions = {}): Promise<Office> {
  const stage = await openStage(options);
  const queues = await openQueues();
  return { ...stage, queues, plan: planner(stage, queues) };
}

/** A new duty, as after a restart; call the result once per block. */
function planner({ client, ledger, metrics, logger, network }: Stage, queues: Queues): () => Promise<void> {
  const weights = queues.board("weights");
  const duty = new WeightDuty({ chain: client, ledger, weights, metrics, logger }, { netuid: NETUID, network });
  return () => duty.run(client.head());
}

function processorOf({ client, ledger, metrics, logger }: Stage) {
  return createWeightProcessor({ chain: client, ledger, metrics, logger });
}

/** Builds blocks one at a time until it holds, letting whoever waits for a block act in between. */
async function buildUntil({ chain }: Stage, check: () => Promise<void> | void): Promise<void> {
  await eventually(async () => {
    chain.buildBlock();
    await check();
  });
}

/** Saves and closes the round of a cycle with these standings. */
async function closeRound(stage: Stage, cycle: number, emas: Readonly<Record<number, number>>): Promise<void> {
  const { id } = await saveRound(stage, cycle);
  const states = Object.entries(emas).map(([uid, ema]) => {
    return { uid: Number(uid), hotkey: stage.miner(Number(uid)).hotkey, ema, points: 1, lastRound: id };
  });
  await stage.ledger.scores.closeRound(id, { states, rows: [] });
}

const plan = (id: string, parts: Partial<WeightPlan> = {}): WeightPlan => ({
  id,
  netuid: NETUID,
  roundId: 31,
  uids: [1, 2],
  weights: [65_535, 32_768],
  versionKey: 0n,
  plannedBlock: 1,
  deadlineBlock: 60,
  ...parts,
});

/** Writes an intent of round 31 as if it had been planned. */
async function intend(stage: Stage, id: string, parts: Partial<WeightPlan> = {}): Promise<void> {
  await saveRound(stage, 0);
  await stage.ledger.intents.plan(plan(id, parts));
}

const job = (intentId: string) => ({ id: `weights-${intentId}`, payload: { intentId, deadlineBlock: 0 }, attempt: 1 });

describe("the plan", () => {
  test("follows from the standings of the newest closed round, once, and is written before anything is sent", async () => {
    const office = await openOffice();
    await closeRound(office, 0, { 1: 0.2, 2: 0.1 });
    office.chain.buildUntil(40);
    await office.plan();
    office.chain.buildBlock();
    await office.plan();
    await planner(office, office.queues)();
    expect(await office.ledger.intents.active()).toEqual([
      {
        id: "2-31",
        netuid: 2,
        roundId: 31,
        uids: [1, 2],
        weights: [65_535, 32_768],
        versionKey: 0n,
        plannedBlock: 40,
        deadlineBlock: 85,
        state: "planned",
        block: null,
        extrinsicHash: null,
        error: null,
      },
    ]);
    expect(await office.queues.queue("weights").counts()).toMatchObject({ waiting: 1 });
  });

  test("stands when the process was killed before it marked the step", async () => {
    const office = await openOffice();
    await closeRound(office, 0, { 1: 0.2 });
    await intend(office, "2-31", { uids: [1], weights: [65_535] });
    office.chain.buildUntil(40);
    await office.plan();
    expect(await office.ledger.intents.latest()).toMatchObject({ id: "2-31", plannedBlock: 1, state: "planned" });
    expect(await office.ledger.steps.done(0, "weights-planned")).toBe(true);
  });

  test("leaves out a standing whose hotkey lost the slot", async () => {
    const office = await openOffice();
    await closeRound(office, 0, { 1: 0.9, 2: 0.1 });
    office.chain.register(1, { hotkey: "newcomer" });
    office.chain.buildUntil(40);
    await office.plan();
    expect(await office.ledger.intents.latest()).toMatchObject({ uids: [2], weights: [65_535] });
  });

  test("is none without a positive score, and says so once", async () => {
    const office = await openOffice();
    await closeRound(office, 0, { 1: 0, 2: 0 });
    office.chain.buildUntil(40);
    await office.plan();
    await office.plan();
    expect(await office.ledger.intents.latest()).toBe(null);
    expect(await office.ledger.events.recent(5)).toMatchObject([
      { kind: "weights_not_set", block: 40, fields: { roundId: 31, reason: "no_positive_score" } },
    ]);
    expect(office.logger.lines()).toEqual(["[WARN] No weights to set: no miner has a positive score | round: 31"]);
  });
});

describe("an intent", () => {
  test("is finalised, read back and verified, with the published line and metric", async () => {
    const office = await openOffice();
    await closeRound(office, 0, { 1: 0.2, 2: 0.1 });
    office.chain.buildUntil(40);
    await office.queues.work("weights", processorOf(office));
    await office.plan();
    await buildUntil(office, async () => {
      expect((await office.ledger.intents.latest())?.state).toBe("verified");
    });
    expect(await office.client.weights(NETUID, VALIDATOR_UID)).toEqual([
      [1, 65_535],
      [2, 32_768],
    ]);
    const intent = await office.ledger.intents.latest();
    expect(office.logger.lines().at(-1)).toBe(
      `[INFO] set_weights() confirmed | block: ${intent?.block} | tx: ${intent?.extrinsicHash} | round: 31 | uids: 2`,
    );
    expect(await metric(office, "chain_set_weights_success")).toBe(1);
    expect(await metric(office, "chain_set_weights_total", { result: "verified" })).toBe(1);
  });

  test("waits for the chain's rate limit", async () => {
    const office = await openOffice({ hyperparameters: { weightsRateLimit: 10 } });
    const process = processorOf(office);
    await intend(office, "first");
    const first = process(job("first"), never);
    await buildUntil(office, async () => {
      expect((await office.ledger.intents.get("first"))?.state).toBe("verified");
    });
    await first;
    const setAt = (await office.ledger.intents.get("first"))?.block ?? 0;
    const plannedBlock = office.chain.head.number;
    await intend(office, "second", { plannedBlock, weights: [32_768, 65_535] });
    const second = process(job("second"), never);
    await buildUntil(office, async () => {
      expect((await office.ledger.intents.get("second"))?.state).toBe("verified");
    });
    expect(await second).toEqual({ intentId: "second", state: "verified" });
    expect((await office.ledger.intents.get("second"))?.block).toBeGreaterThanOrEqual(setAt + 10);
    expect(office.logger.lines()).toContain(
      `[INFO] Waiting for the chain's rate limit before setting weights | until: ${setAt + 10} | round: 31`,
    );
  });

  test("that waits for the rate limit makes room at once for a newer one", async () => {
    const office = await openOffice({ hyperparameters: { weightsRateLimit: 1_000 } });
    const process = processorOf(office);
    await intend(office, "first");
    const first = process(job("first"), never);
    await buildUntil(office, async () => expect((await office.ledger.intents.get("first"))?.state).toBe("verified"));
    await first;
    await intend(office, "second", { plannedBlock: 20, deadlineBlock: 900 });
    const second = process(job("second"), never);
    office.chain.buildBlock();
    await intend(office, "third", { plannedBlock: 21, deadlineBlock: 900 });
    await buildUntil(office, async () => expect((await office.ledger.intents.get("second"))?.state).toBe("failed"));
    expect(await second).toEqual({ intentId: "second", state: "superseded" });
    expect(office.chain.head.number).toBeLessThan(200);
    expect(await metric(office, "chain_set_weights_total", { result: "superseded" })).toBe(1);
    expect(await process(job("second"), never)).toEqual({ intentId: "second", state: "superseded" });
  });

  test("past its deadline expires, and an operator hears of it", async () => {
    const office = await openOffice();
    await intend(office, "late", { deadlineBlock: 10 });
    office.chain.buildUntil(10);
    expect(await processorOf(office)(job("late"), never)).toEqual({ intentId: "late", state: "expired" });
    expect(await office.ledger.intents.get("late")).toMatchObject({ state: "failed", error: "expired" });
    expect(await office.ledger.events.recent(1)).toMatchObject([
      { kind: "weights_not_set", block: 10, fields: { roundId: 31, reason: "expired" } },
    ]);
    expect(office.logger.lines()).toEqual(["[ERROR] Weights were not set | round: 31 | why: expired | deadline: 10"]);
    expect(await metric(office, "chain_set_weights_success")).toBe(0);
  });

  test("whose process was killed after sending is verified without sending again, even past its deadline", async () => {
    const office = await openOffice();
    await intend(office, "killed", { deadlineBlock: 8 });
    const killed = new AbortController();
    const process = processorOf(office);
    const sending = process(job("killed"), killed.signal);
    await eventually(async () => expect((await office.ledger.intents.get("killed"))?.state).toBe("signed"));
    office.chain.buildBlock();
    killed.abort(new Error("killed"));
    await expect(sending).rejects.toMatchObject({ code: "CHAIN_SUBMISSION_ABORTED" });

    const again = process(job("killed"), never);
    office.chain.buildUntil(9);
    expect(await again).toEqual({ intentId: "killed", state: "verified" });
    const { neurons } = await office.client.snapshot(NETUID, office.client.head().hash);
    expect(neurons[VALIDATOR_UID]?.lastUpdate).toBe(2);
    expect(await office.ledger.intents.get("killed")).toMatchObject({ state: "verified", block: 2 });
  });

  test("that the chain stores otherwise raises an alarm and is set again", async () => {
    const office = await openOffice({ hyperparameters: { weightsRateLimit: 4 } });
    await intend(office, "odd", { weights: [400, 200] });
    const setting = processorOf(office)(job("odd"), never);
    setting.catch(() => undefined);
    await buildUntil(office, () => expect(office.logger.lines().some((line) => line.startsWith("[ERROR]"))).toBe(true));
    await expect(setting).rejects.toMatchObject({ code: "EVALUATOR_WEIGHTS_NOT_VERIFIED", retryable: true });
    expect(office.logger.lines().find((line) => line.startsWith("[ERROR]"))).toContain(
      "Weights on chain differ from the intended ones; they are set again | round: 31",
    );
    expect(await office.ledger.events.recent(1)).toMatchObject([{ kind: "weights_not_verified" }]);
    expect(await metric(office, "chain_set_weights_success")).toBe(0);
    expect(await metric(office, "chain_set_weights_total", { result: "not_verified" })).toBe(1);
    expect(await office.ledger.intents.get("odd")).toMatchObject({ state: "finalised" });
  });

  test("of a hotkey that is not registered fails at once", async () => {
    const office = await openOffice();
    office.chain.register(VALIDATOR_UID, { hotkey: "somebody" });
    office.chain.buildBlock();
    await intend(office, "stranger");
    await expect(processorOf(office)(job("stranger"), never)).rejects.toMatchObject({
      code: "EVALUATOR_NOT_REGISTERED",
      retryable: false,
    });
  });
});

describe("an intent's job", () => {
  test("comes back after a flushed Redis", async () => {
    const office = await openOffice();
    await closeRound(office, 0, { 1: 0.2 });
    office.chain.buildUntil(40);
    await office.plan();
    await office.queues.flush();
    await office.queues.work("weights", processorOf(office));
    await office.plan();
    await buildUntil(office, async () => expect((await office.ledger.intents.latest())?.state).toBe("verified"));
  });

  test("rests for some blocks after the chain refused it, then runs again", async () => {
    const office = await openOffice();
    await closeRound(office, 0, { 1: 0.2 });
    office.chain.refuseNext(new ChainError(ChainErrorCode.NoPermit, "No permit"));
    office.chain.buildUntil(40);
    await office.queues.work("weights", processorOf(office));
    const queue = office.queues.queue("weights");
    await office.plan();
    await buildUntil(office, async () => expect((await queue.find("weights-2-31"))?.state).toBe("failed"));
    await office.plan();
    office.chain.buildBlock();
    await office.plan();
    expect((await queue.find("weights-2-31"))?.state).toBe("failed");
    office.chain.buildUntil(office.chain.head.number + 5);
    await office.plan();
    expect(await queue.find("weights-2-31")).toBe(null);
    await office.plan();
    await buildUntil(office, async () => expect((await office.ledger.intents.latest())?.state).toBe("verified"));
  });
});

test("after a restart the metric says what became of the newest weights", async () => {
  const office = await openOffice();
  await intend(office, "old");
  await office.ledger.intents.transition("old", "verified", { block: 1, extrinsicHash: "0x1" });
  await planner(office, office.queues)();
  expect(await metric(office, "chain_set_weights_success")).toBe(1);
});

import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import { describe, expect, test } from "vitest";
import { eventually, useRedis } from "./queues.ts";
import { metric, NETUID, never, VALIDATOR_UID } from "./stage.ts";
import {
  closeRound,
  intend,
  job,
  lookUntil,
  openWeightOffice,
  processorOf,
  runJob,
  type WeightOffice,
  weightPlan,
} from "./weight-office.ts";

useRedis();

const UNSENT = { block: null, extrinsicHash: null, nonce: null, specVersion: null, reason: null };

async function stateOf({ ledger }: WeightOffice, id: string) {
  return (await ledger.intents.get(id))?.state;
}

describe("the plan", () => {
  test("follows from the standings of the newest closed round, once per window, before anything is sent", async () => {
    const office = await openWeightOffice();
    await closeRound(office, 0, { 1: 0.2, 2: 0.1 });
    office.chain.buildUntil(3);
    await office.look();
    office.chain.buildBlock();
    await office.look();
    office.restart();
    await office.look();
    expect(await office.ledger.intents.active()).toEqual([
      { ...weightPlan(office, { plannedBlock: 3 }), ...UNSENT, state: "planned" },
    ]);
    expect(await office.queues.queue("weights").counts()).toMatchObject({ waiting: 1 });
  });

  test("is none before the first round is closed", async () => {
    const office = await openWeightOffice();
    await office.look();
    expect(await office.ledger.intents.latest()).toBeNull();
  });

  test("is made anew for each tempo, from the same standings too", async () => {
    const office = await openWeightOffice();
    await office.queues.work("weights", processorOf(office));
    await closeRound(office, 0, { 1: 0.2, 2: 0.1 });
    await lookUntil(office, async () => expect(await stateOf(office, "2-0-2")).toBe("verified"));
    for (const id of ["2-0-0", "2-0-1"]) expect(await stateOf(office, id)).toBe("verified");
    expect(office.chain.calls).toBe(3);
    expect(await metric(office, "chain_set_weights_total", { result: "verified" })).toBe(3);
  });

  test("waits for the block in which the rate limit ends", async () => {
    const office = await openWeightOffice({ hyperparameters: { weightsRateLimit: 25 } });
    await closeRound(office, 0, { 1: 0.2 });
    await office.look();
    await runJob(office, "2-0-0");
    const { block = 0 } = (await office.ledger.intents.latest()) ?? {};
    await lookUntil(office, () => expect(office.chain.head.number).toBe((block ?? 0) + 23));
    expect((await office.ledger.intents.active()).length).toBe(0);
    office.chain.buildBlock();
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({ id: "2-0-1", plannedBlock: (block ?? 0) + 24 });
  });

  test("is none with the last blocks of a tempo, nor where the rate limit takes a whole one", async () => {
    const office = await openWeightOffice({ hyperparameters: { weightsRateLimit: 60 } });
    await closeRound(office, 0, { 1: 0.2 });
    office.chain.buildUntil(17);
    await office.look();
    expect(await office.ledger.intents.latest()).toBeNull();
    office.chain.buildUntil(21);
    await office.look();
    await runJob(office, "2-0-1");
    for (let block = office.chain.head.number; block < 60; block += 1) {
      office.chain.buildBlock();
      await office.look();
    }
    expect(await office.ledger.intents.latest()).toMatchObject({ id: "2-0-1", state: "verified" });
  });

  test("leaves out a standing whose hotkey lost the slot", async () => {
    const office = await openWeightOffice();
    await closeRound(office, 0, { 1: 0.9, 2: 0.1 });
    office.chain.register(1, { hotkey: "newcomer" });
    office.chain.buildBlock();
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({ uids: [2], weights: [65_535] });
  });

  test("is none without a positive score, and says so once per tempo", async () => {
    const office = await openWeightOffice();
    await closeRound(office, 0, { 1: 0, 2: 0 });
    await office.look();
    office.chain.buildBlock();
    await office.look();
    expect(await office.ledger.intents.latest()).toBe(null);
    expect(await office.ledger.events.recent(5)).toMatchObject([
      { kind: "weights_not_set", block: 1, fields: { roundId: 31, tempo: 0, reason: "no_positive_score" } },
    ]);
    expect(office.logger.lines()).toEqual(["[WARN] No weights to set | round: 31 | why: no_positive_score"]);
  });
});

describe("an intent", () => {
  test("is finalised, read back and verified, with the published line and metric", async () => {
    const office = await openWeightOffice();
    await closeRound(office, 0, { 1: 0.2, 2: 0.1 });
    await office.look();
    expect(await runJob(office, "2-0-0")).toEqual({ intentId: "2-0-0", state: "verified" });
    expect(await office.client.weights(NETUID, VALIDATOR_UID)).toEqual([
      [1, 65_535],
      [2, 32_768],
    ]);
    const intent = await office.ledger.intents.latest();
    expect(intent).toMatchObject({ nonce: 0, specVersion: 425, extrinsicHash: expect.stringMatching(/^0x/) });
    expect(office.logger.lines().at(-1)).toBe(
      `[INFO] set_weights() confirmed | block: ${intent?.block} | tx: ${intent?.extrinsicHash} | round: 31 | uids: 2`,
    );
    expect((await office.ledger.intents.steps("2-0-0")).map(({ state }) => state)).toEqual([
      "planned",
      "signed",
      "in_block",
      "finalised",
      "verified",
    ]);
    expect(await metric(office, "chain_set_weights_success")).toBe(1);
    expect(await metric(office, "chain_set_weights_total", { result: "verified" })).toBe(1);
  });

  test("past its deadline expires, and an operator hears of it", async () => {
    const office = await openWeightOffice();
    await intend(office, { id: "late", deadlineBlock: 10 });
    office.chain.buildUntil(10);
    expect(await processorOf(office)(job("late"), never)).toEqual({ intentId: "late", state: "expired" });
    expect(await office.ledger.intents.get("late")).toMatchObject({ state: "failed", reason: "expired" });
    expect(await office.ledger.events.recent(1)).toMatchObject([
      { kind: "weights_not_set", block: 10, fields: { roundId: 31, tempo: 0, reason: "expired" } },
    ]);
    expect(office.logger.lines()).toEqual(["[ERROR] Weights were not set | round: 31 | why: expired | deadline: 10"]);
    expect(await metric(office, "chain_set_weights_success")).toBe(0);
  });

  test("that a longer tempo outlives is followed by another attempt", async () => {
    const office = await openWeightOffice({ hyperparameters: { tempo: 40 } });
    await closeRound(office, 0, { 1: 0.2, 2: 0.1 });
    await intend(office, { deadlineBlock: 10 });
    office.chain.buildUntil(10);
    expect(await runJob(office, "2-0-0")).toMatchObject({ state: "expired" });
    await office.look();
    expect(await office.ledger.intents.latest()).toMatchObject({ id: "2-0-0-r1", attempt: 1, deadlineBlock: 40 });
    expect(await runJob(office, "2-0-0-r1")).toMatchObject({ state: "verified" });
  });

  test("of a tempo that is over is not sent into the next", async () => {
    const office = await openWeightOffice();
    await intend(office, { deadlineBlock: 100 });
    office.chain.buildUntil(21);
    expect(await runJob(office, "2-0-0")).toMatchObject({ state: "expired" });
    expect(office.chain.calls).toBe(0);
  });

  test("that never landed is not verified by the next window's set of the same weights", async () => {
    const office = await openWeightOffice();
    await intend(office);
    await office.ledger.intents.plan(
      weightPlan(office, { id: "2-0-1", tempo: 1, firstBlock: 21, plannedBlock: 21, deadlineBlock: 40 }),
    );
    office.chain.buildUntil(21);
    expect(await runJob(office, "2-0-1")).toMatchObject({ state: "verified" });
    expect(await runJob(office, "2-0-0")).toEqual({ intentId: "2-0-0", state: "superseded" });
    expect(office.chain.calls).toBe(1);
  });

  test("whose process was killed after sending is verified without sending again, even past its deadline", async () => {
    const office = await openWeightOffice();
    await intend(office, { deadlineBlock: 8 });
    const killed = new AbortController();
    const sending = processorOf(office)(job("2-0-0"), killed.signal);
    await eventually(async () => expect(await stateOf(office, "2-0-0")).toBe("signed"));
    office.chain.buildBlock();
    killed.abort(new Error("killed"));
    await expect(sending).rejects.toMatchObject({ code: "CHAIN_SUBMISSION_ABORTED" });

    const again = processorOf(office)(job("2-0-0"), never);
    office.chain.buildUntil(9);
    expect(await again).toEqual({ intentId: "2-0-0", state: "verified" });
    expect(await office.ledger.intents.get("2-0-0")).toMatchObject({ state: "verified", block: 2 });
    expect(office.chain.calls).toBe(1);
  });

  test("that the chain stores otherwise raises an alarm, and its window has no second set", async () => {
    const office = await openWeightOffice();
    await closeRound(office, 0, { 1: 0.2, 2: 0.1 });
    await intend(office, { weights: [400, 200] });
    expect(await runJob(office, "2-0-0")).toEqual({ intentId: "2-0-0", state: "not_verified" });
    expect(office.logger.lines().find((line) => line.startsWith("[ERROR]"))).toContain(
      "Weights on chain differ from the intended ones; the next window repairs them | round: 31",
    );
    expect(await office.ledger.events.recent(1)).toMatchObject([
      { kind: "weights_not_set", fields: { reason: "not_verified" } },
    ]);
    expect(await metric(office, "chain_set_weights_success")).toBe(0);
    expect(await metric(office, "chain_set_weights_total", { result: "not_verified" })).toBe(1);
    while (office.chain.head.number < 20) {
      office.chain.buildBlock();
      await office.look();
    }
    expect((await office.ledger.intents.latest())?.id).toBe("2-0-0");
    office.chain.buildBlock();
    await office.look();
    expect(await runJob(office, "2-0-1")).toMatchObject({ state: "verified" });
    expect(office.chain.calls).toBe(2);
  });

  test("of a release that planned by rounds is replaced by the newest", async () => {
    const office = await openWeightOffice();
    await intend(office, { id: "2-31", tempo: null, firstBlock: 2 });
    await intend(office);
    expect(await runJob(office, "2-31")).toEqual({ intentId: "2-31", state: "superseded" });
    expect(await runJob(office, "2-31")).toEqual({ intentId: "2-31", state: "superseded" });
    expect(await metric(office, "chain_set_weights_total", { result: "superseded" })).toBe(1);
  });
});

describe("an intent's job", () => {
  test("comes back after a flushed Redis", async () => {
    const office = await openWeightOffice();
    await closeRound(office, 0, { 1: 0.2 });
    await office.look();
    await office.queues.flush();
    await office.queues.work("weights", processorOf(office));
    await lookUntil(office, async () => expect(await stateOf(office, "2-0-0")).toBe("verified"));
  });

  test("rests for some blocks after the chain refused it, then runs again", async () => {
    const office = await openWeightOffice({ hyperparameters: { tempo: 100 } });
    await closeRound(office, 0, { 1: 0.2 });
    office.chain.refuseNext(new ChainError(ChainErrorCode.NoPermit, "No permit"));
    await office.queues.work("weights", processorOf(office));
    const queue = office.queues.queue("weights");
    await office.look();
    await eventually(async () => {
      office.chain.buildBlock();
      expect((await queue.find("weights-2-0-0"))?.state).toBe("failed");
    });
    await office.look();
    office.chain.buildUntil(office.chain.head.number + 4);
    await office.look();
    expect((await queue.find("weights-2-0-0"))?.state).toBe("failed");
    office.chain.buildBlock();
    await lookUntil(office, async () => expect(await stateOf(office, "2-0-0")).toBe("verified"));
    expect(office.chain.calls).toBe(2);
  });
});

test("after a restart the metric says what became of the newest weights", async () => {
  const office = await openWeightOffice();
  await intend(office, { id: "old", tempo: 7 });
  await office.ledger.intents.transition("old", "verified", { block: 1, extrinsicHash: "0x1" });
  await office.look();
  expect(await metric(office, "chain_set_weights_success")).toBe(1);
});

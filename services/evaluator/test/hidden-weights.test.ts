import { describe, expect, test } from "vitest";
import {
  INTENT,
  job,
  lookUntil,
  openOffice,
  processorOf,
  runJob,
  STORED,
  shown,
  stateOf,
  TEMPO,
} from "./hidden-office.ts";
import { eventually, useRedis } from "./queues.ts";
import { saveRound } from "./rounds.ts";
import { metric, never } from "./stage.ts";

useRedis();

describe("time-locked weights", () => {
  test("are committed, then shown by the chain, then verified", async () => {
    const office = await openOffice();
    expect(await runJob(office)).toEqual({ intentId: INTENT, state: "committed" });
    const intent = await office.ledger.intents.get(INTENT);
    expect(office.logger.lines()).toEqual([
      `[INFO] Committed weights | block: ${intent?.block} | tx: ${intent?.extrinsicHash} | round: 31 | reveal_epoch: 1`,
    ]);
    await lookUntil(office, 22);
    expect(await stateOf(office)).toBe("committed");
    expect(await shown(office)).toEqual([]);
    expect(await metric(office, "chain_set_weights_success")).toBe(0);

    await lookUntil(office, 30);
    expect(await shown(office)).toEqual(STORED);
    expect(await stateOf(office)).toBe("verified");
    expect(await metric(office, "chain_set_weights_success")).toBe(1);
    expect(await metric(office, "chain_set_weights_total", { result: "verified" })).toBe(1);
    expect(office.logger.lines().at(-1)).toContain("[INFO] set_weights() confirmed | block: ");
    expect(office.chain.calls).toBe(1);
  });

  test("are never committed with an epoch's last blocks", async () => {
    const office = await openOffice();
    office.chain.buildUntil(18);
    await runJob(office);
    expect(await office.ledger.reveals.latest(INTENT)).toMatchObject({ epoch: 1, revealEpoch: 2, sentBlock: 21 });
  });

  test("that the chain drops raise an alarm and are committed again, once", async () => {
    const office = await openOffice();
    await runJob(office);
    office.chain.change((subnet) => ({ ...subnet, commits: [] }));
    await lookUntil(office, office.chain.head.number + 3);
    expect(await office.ledger.intents.get(INTENT)).toMatchObject({ state: "failed", error: "reveal_lost" });
    expect(office.logger.lines().filter((line) => line.startsWith("[ERROR]"))).toEqual([
      expect.stringContaining("Committed weights were not revealed; they are set again | round: 31"),
    ]);
    expect(await metric(office, "chain_set_weights_total", { result: "reveal_lost" })).toBe(1);
    expect(await metric(office, "chain_set_weights_success")).toBe(0);
    expect(await office.ledger.events.recent(1)).toMatchObject([
      { kind: "weights_not_set", fields: { roundId: 31, reason: "reveal_lost" } },
    ]);

    expect((await office.ledger.intents.active()).map(({ id }) => id)).toEqual(["2-31-r1"]);
    expect(await runJob(office, "2-31-r1")).toEqual({ intentId: "2-31-r1", state: "committed" });
    await lookUntil(office, 30);
    expect(await stateOf(office, "2-31-r1")).toBe("verified");
    expect(await shown(office)).toEqual(STORED);
    expect(office.chain.calls).toBe(2);
  });

  test("that newer ones overtake before anybody looked are no loss", async () => {
    const office = await openOffice();
    await runJob(office);
    const { id } = await saveRound(office, 1);
    const states = [{ uid: 3, hotkey: office.miner(3).hotkey, ema: 0.5, points: 1, lastRound: id }];
    await office.ledger.scores.closeRound(id, { states, rows: [] });
    await office.look();
    const newer = (await office.ledger.intents.latest())?.id ?? "";
    await runJob(office, newer);
    office.chain.buildUntil(30);
    await office.look();
    expect(await office.ledger.intents.get(INTENT)).toMatchObject({ state: "failed", error: "superseded" });
    expect(await stateOf(office, newer)).toBe("verified");
    expect(office.logger.lines().some((line) => line.startsWith("[ERROR]"))).toBe(false);
  });
});

test("a commit that no block of its epoch takes is made anew in the next", async () => {
  const office = await openOffice();
  office.chain.setIncluding(false);
  const running = processorOf(office)(job(), never);
  await eventually(async () => expect(await stateOf(office)).toBe("signed"));
  office.chain.buildUntil(22);
  office.chain.setIncluding(true);
  await eventually(async () => {
    office.chain.buildBlock();
    expect(await stateOf(office)).toBe("committed");
  });
  await running;
  expect(await office.ledger.reveals.latest(INTENT)).toMatchObject({ attempt: 2, epoch: 1, state: "landed" });
});

describe("weights committed by hash", () => {
  test("are shown by us in the epoch after, with the salt of the ledger, and verified", async () => {
    const office = await openOffice("hashed");
    await office.queues.work("weights", processorOf(office));
    await eventually(async () => {
      office.chain.buildBlock();
      expect(await stateOf(office)).toBe("committed");
    });
    const commit = await office.ledger.reveals.latest(INTENT);
    expect(commit?.salt).toHaveLength(8);
    office.restart();
    office.chain.buildUntil((commit?.revealEpoch ?? 0) * TEMPO + 3);
    await eventually(async () => {
      office.chain.buildBlock();
      await office.look();
      expect(await stateOf(office)).toBe("verified");
    });
    expect(await shown(office)).toEqual(STORED);
    expect(office.chain.calls).toBe(2);
    await lookUntil(office, office.chain.head.number + 5);
    expect(await metric(office, "chain_set_weights_total", { result: "verified" })).toBe(1);
    expect(office.logger.lines().filter((line) => line.includes("set_weights() confirmed"))).toHaveLength(1);
  });

  test("whose epoch of reveal passed are lost and committed again", async () => {
    const office = await openOffice("hashed");
    await runJob(office);
    office.chain.buildUntil(44);
    await office.look();
    expect(await office.ledger.intents.get(INTENT)).toMatchObject({ state: "failed", error: "reveal_lost" });
    expect((await office.ledger.intents.active()).map(({ id }) => id)).toEqual(["2-31-r1"]);
  });
});

import { describe, expect, test } from "vitest";
import { INTENT, lookUntil, openOffice, runJob, STORED, shown, stateOf, TEMPO, windows } from "./hidden-office.ts";
import { eventually, useRedis } from "./queues.ts";
import { metric, NETUID, never } from "./stage.ts";
import { closeRound, job, processorOf } from "./weight-office.ts";

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

  test("are never committed with an epoch's last blocks: its window is lost, and the next has its own", async () => {
    const office = await openOffice();
    office.chain.buildUntil(18);
    expect(await runJob(office)).toEqual({ intentId: INTENT, state: "expired" });
    await lookUntil(office, 21);
    await runJob(office, "2-0-1");
    expect(await office.ledger.reveals.latest("2-0-1")).toMatchObject({ epoch: 1, revealEpoch: 2 });
    expect(office.chain.calls).toBe(1);
  });

  test("that the chain drops raise an alarm, and the next window repairs them, with one commit", async () => {
    const office = await openOffice();
    await runJob(office);
    office.chain.change((subnet) => ({ ...subnet, commits: [] }));
    await lookUntil(office, office.chain.head.number + 3);
    expect(await office.ledger.intents.get(INTENT)).toMatchObject({ state: "failed", reason: "reveal_lost" });
    expect(office.logger.lines().filter((line) => line.startsWith("[ERROR]"))).toEqual([
      expect.stringContaining("Committed weights were not revealed; the next window repairs them | round: 31"),
    ]);
    expect(await metric(office, "chain_set_weights_total", { result: "reveal_lost" })).toBe(1);
    expect(await metric(office, "chain_set_weights_success")).toBe(0);
    expect(await office.ledger.events.recent(1)).toMatchObject([
      { kind: "weights_not_set", fields: { roundId: 31, reason: "reveal_lost" } },
    ]);

    await lookUntil(office, 21);
    expect((await office.ledger.intents.active()).map(({ id }) => id)).toEqual(["2-0-1"]);
    expect(await runJob(office, "2-0-1")).toEqual({ intentId: "2-0-1", state: "committed" });
    await lookUntil(office, 50);
    expect(await stateOf(office, "2-0-1")).toBe("verified");
    expect(await shown(office)).toEqual(STORED);
    expect(office.chain.calls).toBe(2);
  });

  test("are committed in each window while those before are still hidden", async () => {
    const office = await openOffice();
    office.chain.change((subnet) => ({ ...subnet, commitReveal: { ...subnet.commitReveal, periodEpochs: 2 } }));
    office.chain.buildBlock();
    await office.queues.work("weights", processorOf(office));
    await eventually(async () => {
      await lookUntil(office, office.chain.head.number + 1);
      expect(await stateOf(office, "2-0-1")).toBe("verified");
    });
    expect(await stateOf(office)).toBe("verified");
    expect(await stateOf(office, "2-0-2")).toBe("committed");
    expect(office.logger.lines().filter((line) => /ERROR|WARN/.test(line))).toEqual([]);
  });

  test("that newer ones overtake before anybody looked are no loss", async () => {
    const office = await openOffice();
    await runJob(office);
    await closeRound(office, 1, { 3: 0.5 });
    office.chain.buildUntil(21);
    await office.look();
    await runJob(office, "2-0-1");
    office.chain.buildUntil(50);
    await office.look();
    expect(await office.ledger.intents.get(INTENT)).toMatchObject({ state: "failed", reason: "superseded" });
    expect(await stateOf(office, "2-0-1")).toBe("verified");
    expect(office.logger.lines().some((line) => line.startsWith("[ERROR]"))).toBe(false);
  });
});

test("a commit of another process with our key ends the intent, which commits nothing", async () => {
  const office = await openOffice();
  const call = { kind: "commit_weights", netuid: NETUID, commitHash: `0x${"ab".repeat(32)}` } as const;
  void office.client.submit(call, { signal: never, deadlineBlock: 9 });
  office.chain.buildUntil(5);
  expect(await runJob(office)).toEqual({ intentId: INTENT, state: "foreign" });
  expect(await office.ledger.reveals.latest(INTENT)).toBeNull();
  expect(office.chain.calls).toBe(1);
});

test("a commit that no block of its epoch takes is not made in the next, which has its own", async () => {
  const office = await openOffice();
  office.chain.setIncluding(false);
  const running = processorOf(office)(job(INTENT), never);
  await eventually(async () => expect(await stateOf(office)).toBe("signed"));
  office.chain.buildUntil(22);
  office.chain.setIncluding(true);
  office.chain.buildUntil(24);
  expect(await running).toEqual({ intentId: INTENT, state: "expired" });
  await office.look();
  expect(await runJob(office, "2-0-1")).toMatchObject({ state: "committed" });
  expect(await office.ledger.reveals.latest("2-0-1")).toMatchObject({ attempt: 1, epoch: 1, state: "landed" });
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
    expect((await windows(office)).doubled).toEqual([]);
    await lookUntil(office, office.chain.head.number + 5);
    expect(await metric(office, "chain_set_weights_total", { result: "verified" })).toBe(1);
    expect(office.logger.lines().filter((line) => line.includes("set_weights() confirmed"))).toHaveLength(1);
  });

  test("whose epoch of reveal passed are lost", async () => {
    const office = await openOffice("hashed");
    await runJob(office);
    office.chain.buildUntil(44);
    await office.look();
    expect(await office.ledger.intents.get(INTENT)).toMatchObject({ state: "failed", reason: "reveal_lost" });
    expect((await office.ledger.intents.active()).map(({ id }) => id)).toEqual(["2-0-2"]);
  });
});

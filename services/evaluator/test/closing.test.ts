import { writeFile } from "node:fs/promises";
import { stopWeights } from "@assay/checkpoint/weight-stop";
import type { Round } from "@assay/core/round/round";
import { describe, expect, test } from "vitest";
import { StatusLineDuty } from "../src/cycle/status-line-duty.ts";
import { SubmissionDoor } from "../src/cycle/submission-door.ts";
import { CloseRoundDuty } from "../src/scores/close-round-duty.ts";
import { Waiting } from "../src/standing/waiting.ts";
import { openQueues, useRedis } from "./queues.ts";
import { onRoster, saveRound, scored } from "./rounds.ts";
import { metric, openStage, type Stage } from "./stage.ts";
import { offer } from "./submissions.ts";

useRedis();

function closer({ client, ledger, inbox, metrics, logger, network }: Stage) {
  const door = new SubmissionDoor(ledger, network);
  const components = { ledger, inbox, door, metrics, logger };
  const duty = new CloseRoundDuty(components, { network, weightOfOld: 0.9 });
  return () => duty.run(client.head());
}

/** The round of a cycle with miners 1 and 2 on its roster; both have submitted, and the door was open. */
async function openRound(stage: Stage, cycle = 0): Promise<Round> {
  const round = await saveRound(stage, cycle, { roster: [onRoster(stage.miner(1), 0), onRoster(stage.miner(2), 0)] });
  for (let block = round.submissionFirst; block <= round.submissionLast; block += 1) {
    await stage.ledger.steps.mark(cycle, `door-open-${block}`, { block });
  }
  for (const uid of [1, 2]) {
    await offer(stage, "http://miner.example/", { miner: stage.miner(uid), group: 0, roundId: round.id });
  }
  return round;
}

async function isClosed({ ledger }: Stage, { id }: Round): Promise<boolean> {
  return (await ledger.rounds.get(id))?.closed === true;
}

describe("a round is closed", () => {
  test("from the merge phase on, once everything that arrived is settled and the seed is known", async () => {
    const stage = await openStage();
    const round = await openRound(stage);
    const run = closer(stage);
    await stage.ledger.evaluations.record(scored(round, stage.miner(1), [4.321, 3.512]));
    const { hotkey } = stage.miner(2);
    stage.chain.buildUntil(37);
    await run();
    expect(await isClosed(stage, round)).toBe(false);

    const rejection = { kind: "rejected", roundId: 31, uid: 2, hotkey, reason: "hash_mismatch", detail: "" } as const;
    await stage.ledger.submissions.record(rejection);
    await run();
    expect(await isClosed(stage, round)).toBe(false);

    await stage.ledger.rounds.setSeed(31, "5eed");
    await run();
    expect(await isClosed(stage, round)).toBe(true);
    expect(await stage.ledger.scores.rows(31)).toMatchObject([
      { uid: 1, w: expect.closeTo(0.187225, 6), reason: null },
      { uid: 2, w: 0, reason: "hash_mismatch" },
    ]);
    expect(stage.logger.lines()).toEqual([
      "[INFO] Evaluated 2/2 submissions in 0.6 minutes | round: 31 | scored: 1 | zeroes: 1 | avg_w_i: 0.187225",
    ]);
    expect(await metric(stage, "eval_avg_w_i")).toBeCloseTo(0.187225, 6);
    expect(await metric(stage, "evaluator_rounds_open")).toBe(0);
  });

  test("not before the merge phase, however early all is measured", async () => {
    const stage = await openStage();
    const round = await openRound(stage);
    await stage.ledger.rounds.setSeed(31, "5eed");
    for (const uid of [1, 2]) await stage.ledger.evaluations.record(scored(round, stage.miner(uid), [4, 3]));
    stage.chain.buildUntil(36);
    await closer(stage)();
    expect(await isClosed(stage, round)).toBe(false);
  });

  test("past its deadline in any case, and what we did not measure costs nobody a point", async () => {
    const stage = await openStage();
    const round = await openRound(stage);
    await stage.ledger.evaluations.record(scored(round, stage.miner(1), [4, 3]));
    stage.chain.buildUntil(69);
    const run = closer(stage);
    await run();
    expect(await isClosed(stage, round)).toBe(false);
    stage.chain.buildBlock();
    await run();
    expect(await isClosed(stage, round)).toBe(true);
    expect((await stage.ledger.scores.book()).map(({ uid, ema }) => [uid, ema])).toEqual([[1, 0.25]]);
    expect(await stage.ledger.scores.rows(31)).toMatchObject([{ uid: 1 }, { uid: 2, w: 0, reason: "expired" }]);
  });

  test("after its predecessor only, so that the moving average has an order", async () => {
    const stage = await openStage();
    const first = await openRound(stage, 0);
    const second = await openRound(stage, 1);
    await stage.ledger.rounds.setSeed(second.id, "5eed");
    for (const uid of [1, 2]) await stage.ledger.evaluations.record(scored(second, stage.miner(uid), [4, 2]));
    for (const uid of [1, 2]) await stage.ledger.evaluations.record(scored(first, stage.miner(uid), [4, 3]));
    const run = closer(stage);
    // The first round has no seed and waits for its deadline, 69; the second is complete from 82 on.
    stage.chain.buildUntil(68);
    await run();
    expect([await isClosed(stage, first), await isClosed(stage, second)]).toEqual([false, false]);
    stage.chain.buildUntil(82);
    await run();
    expect([await isClosed(stage, first), await isClosed(stage, second)]).toEqual([true, true]);
    expect((await stage.ledger.scores.book())[0]).toMatchObject({ ema: 0.9 * 0.25 + 0.1 * 0.5, points: 2 });
  });

  test("without a zero for those who could not submit because we were away", async () => {
    const stage = await openStage();
    const round = await saveRound(stage, 0, { roster: [onRoster(stage.miner(1), 0)] });
    await stage.ledger.steps.mark(0, "door-open-31", { block: 31 });
    stage.chain.buildUntil(70);
    await closer(stage)();
    expect(await isClosed(stage, round)).toBe(true);
    expect(await stage.ledger.scores.book()).toEqual([]);
    expect(await stage.ledger.scores.rows(31)).toMatchObject([{ uid: 1, w: 0, reason: "door_closed" }]);
  });

  test("without a zero for one whose receipt we cannot read", async () => {
    const stage = await openStage();
    const round = await openRound(stage);
    await stage.ledger.evaluations.record(scored(round, stage.miner(1), [4, 3]));
    await writeFile(stage.inbox.receiptPath(31, stage.miner(2).hotkey), "{");
    stage.chain.buildUntil(70);
    await closer(stage)();
    expect(await stage.ledger.scores.rows(31)).toMatchObject([{ uid: 1 }, { uid: 2, reason: "expired" }]);
    expect((await stage.ledger.scores.book()).map(({ uid }) => uid)).toEqual([1]);
  });
});

test("the door remembers each block on which miners could submit, and no other", async () => {
  const stage = await openStage();
  const round = await saveRound(stage, 0);
  const door = new SubmissionDoor(stage.ledger, stage.network);
  for (const block of [30, 31, 34]) {
    stage.chain.buildUntil(block);
    await door.run(stage.client.head());
  }
  expect(await door.wasOpen(round)).toBe(false);
  await stage.ledger.steps.mark(0, "door-open-33", { block: 33 });
  expect(await door.wasOpen(round)).toBe(true);
});

test("after a restart the mean w_i of the newest closed round is known again", async () => {
  const stage = await openStage();
  const round = await openRound(stage);
  for (const uid of [1, 2]) await stage.ledger.evaluations.record(scored(round, stage.miner(uid), [4, 4 - uid]));
  stage.chain.buildUntil(70);
  await closer(stage)();
  expect(await metric(stage, "eval_avg_w_i")).toBe(0.375);
  stage.metrics.averageW.set(0);
  await closer(stage)();
  expect(await metric(stage, "eval_avg_w_i")).toBe(0.375);
});

describe("the status line", () => {
  function reporter({ client, ledger, inbox, layout, metrics, logger, network }: Stage, evaluations: Queues["board"]) {
    const components = {
      ledger,
      inbox,
      evaluations: evaluations("evaluations"),
      waiting: new Waiting({ metrics }),
      layout,
      logger,
    };
    const duty = new StatusLineDuty(components, { network, everyBlocks: 5 });
    return () => duty.run(client.head());
  }
  type Queues = Awaited<ReturnType<typeof openQueues>>;

  test("says where the newest round stands, every few blocks", async () => {
    const stage = await openStage();
    const queues = await openQueues();
    const run = reporter(stage, queues.board);
    stage.chain.buildUntil(6);
    await run();
    const round = await openRound(stage);
    const { hotkey } = stage.miner(1);
    const accepted = { kind: "accepted", path: "p", sha256: "h", bytes: 1 } as const;
    await stage.ledger.submissions.record({ ...accepted, roundId: 31, uid: 1, hotkey });
    await stage.ledger.evaluations.record(scored(round, stage.miner(1), [4, 3]));
    const job = { roundId: 31, uid: 2, hotkey, group: 0, baseVersion: 0, submissionPath: "p", submissionSha256: "h" };
    await queues.queue("evaluations").add("evaluation-31-2", { ...job, seed: "5eed", deadlineBlock: 69 });
    for (const block of [10, 32, 36]) {
      stage.chain.buildUntil(block);
      await run();
    }
    const facts = "assigned: 2 | downloaded: 1 | scored: 1 | rejected: 0 | queue: 1 | device: busy";
    expect(stage.logger.lines()).toEqual([
      "[INFO] Block 6 | train 2/20 | no open round",
      `[INFO] Round 31 | submission 2/3 | ${facts}`,
    ]);
    await stopWeights(stage.layout, { reason: "moving hosts", at: 0 });
    stage.chain.buildUntil(41);
    await run();
    expect(stage.logger.lines().at(-1)).toMatch(/^\[INFO\] Round 31 \| .* \| device: busy \| weights: stopped$/);
  });

  test("fails at each block while Redis is away, and does not heal in between", async () => {
    const stage = await openStage();
    const queues = await openQueues();
    const run = reporter(stage, queues.board);
    await openRound(stage);
    queues.redis.producer.disconnect();
    stage.chain.buildUntil(33);
    await expect(run()).rejects.toMatchObject({ code: "QUEUE_UNAVAILABLE" });
    stage.chain.buildBlock();
    await expect(run()).rejects.toMatchObject({ code: "QUEUE_UNAVAILABLE" });
  });
});

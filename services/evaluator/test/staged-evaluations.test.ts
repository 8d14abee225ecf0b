import { AppError } from "@assay/core/app-error";
import type { BatchLoss } from "@assay/core/scoring/outcome";
import type { EvaluationRequest, Measurement } from "@assay/evaluation/evaluator";
import type { EvaluationRecord } from "@assay/ledger/evaluations";
import { describe, expect, test } from "vitest";
import { provisionalEvaluations } from "../src/evaluations/provisional-evaluations.ts";
import { type Lab, openLab } from "./evaluation-lab.ts";
import { eventually, useRedis } from "./queues.ts";
import { onRoster } from "./rounds.ts";
import { metric } from "./stage.ts";
import { offer } from "./submissions.ts";

useRedis();

const TOKENS = 100;
/** 20 batches in 4 stages. */
const evaluation = {
  sequences: 40,
  sequenceLength: 50,
  policy: "relative_reduction" as const,
  sequential: { batchSequences: 2, stageBatches: 5, keep: 1, errorLevel: 0.05 },
};
/** Nats per token by UID: two equals, one weaker, a copy of the base and a harmful one in group 0; one alone in group 1. */
const GAINS: Readonly<Record<number, number>> = { 1: 0.05, 2: 0.05, 3: 0.01, 4: 0, 5: -0.02, 6: 0.03 };
const BATCHES_SEEN = { 1: 20, 2: 20, 3: 5, 4: 5, 5: 5, 6: 20 };

/** Round 31 with six miners, whose submissions are accepted unless said otherwise, and a worker. */
async function openField(
  measure: (request: EvaluationRequest) => Measurement = measureStage,
  accepted: readonly number[] = [1, 2, 3, 4, 5, 6],
): Promise<Lab> {
  const lab = await openLab(async (request) => measure(request), {
    miners: 6,
    roster: ({ miners }) => miners.map((miner) => onRoster(miner, miner.uid === 6 ? 1 : 0)),
    accepted,
    evaluation,
  });
  await lab.startWorker();
  lab.chain.buildUntil(36);
  return lab;
}

/** Waits until the worker has nothing left to do. */
async function idle({ queues }: Lab): Promise<void> {
  await eventually(async () => {
    expect(await queues.queue("evaluations").counts()).toMatchObject({ waiting: 0, active: 0, delayed: 0 });
  });
}

/** Runs the duty and the worker in turn until every submission has an evaluation; `between` comes before each turn. */
async function playThrough(lab: Lab, between: () => Promise<void> = async () => {}): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await lab.run();
    if ((await lab.ledger.evaluations.list(31)).length === 6) return;
    await idle(lab);
    await between();
  }
  throw new Error("The contest does not come to an end");
}

async function evaluationsOf(lab: Lab): Promise<readonly EvaluationRecord[]> {
  return (await lab.ledger.evaluations.list(31)).map((each) =>
    each.kind === "scored" ? { ...each, seconds: 0 } : each,
  );
}

async function batchesSeen(lab: Lab): Promise<Record<number, number>> {
  const scored = (await lab.ledger.evaluations.list(31)).filter((each) => each.kind === "scored");
  return Object.fromEntries(scored.map(({ uid, batchLosses }) => [uid, batchLosses.length]));
}

describe("a round in stages", () => {
  test("measures equals to the end and others until it is clear, and says who was stopped", async () => {
    const lab = await openField();
    await playThrough(lab);

    expect(await batchesSeen(lab)).toEqual(BATCHES_SEEN);
    expect(lab.evaluator.requests).toHaveLength(4 + 4 + 4 + 1 + 1 + 1);
    const [first, second] = await lab.ledger.evaluations.list(31);
    expect(first).toMatchObject({ kind: "scored", tokens: 2000, lossBefore: expect.closeTo(3.0095, 10) });
    expect(first).toMatchObject({ batchLosses: batchLosses(1, 0, 20) });
    expect(second).toMatchObject({ batchLosses: batchLosses(2, 0, 20) });
    expect(first).not.toHaveProperty("batchesLeft");
    const lines = lab.logger.lines().filter((line) => line.includes("Evaluating"));
    expect(lines).toHaveLength(6);
    expect(lines.filter((line) => line.includes("| stopped: outranked"))).toHaveLength(2);
    expect(lines.filter((line) => line.includes("| batches: 5 | stopped: worse_than_base"))).toHaveLength(1);
    expect(await metric(lab, "evaluator_evaluations_total", { kind: "scored" })).toBe(6);
  });

  test("has a job for each stage, by round, miner and stage", async () => {
    const lab = await openField();
    await lab.run();
    await idle(lab);
    await lab.run();
    const queue = lab.queues.queue("evaluations");
    expect((await queue.find("evaluation-31-2-0"))?.payload).toMatchObject({ stage: { firstBatch: 0, batches: 5 } });
    expect((await queue.find("evaluation-31-2-1"))?.payload).toMatchObject({ stage: { firstBatch: 5, batches: 5 } });
    expect(await queue.find("evaluation-31-3-1")).toBe(null);
    expect(await queue.find("evaluation-31-2")).toBe(null);
  });

  test("ends the same when the process is killed and started again between any two steps", async () => {
    const [undisturbed, killed] = [await openField(), await openField()];
    await playThrough(undisturbed);
    await playThrough(killed, () => killed.restart());

    expect(await evaluationsOf(killed)).toEqual(await evaluationsOf(undisturbed));
    expect(killed.evaluator.requests).toHaveLength(15);
  });

  test("ends the same when Redis loses every stage under way, which are measured once more", async () => {
    const [undisturbed, robbed] = [await openField(), await openField()];
    await playThrough(undisturbed);
    let losses = 0;
    await playThrough(robbed, async () => {
      losses += 1;
      if (losses % 2 === 1) await robbed.queues.flush();
    });

    expect(await evaluationsOf(robbed)).toEqual(await evaluationsOf(undisturbed));
    expect(robbed.evaluator.requests).toHaveLength(30);
  });

  test("ends the same when the process is killed between two evaluations that it writes down", async () => {
    const undisturbed = await openField();
    await playThrough(undisturbed);
    const killed = await openField();
    const stages = await undisturbed.ledger.evaluationStages.list(31);
    for (const each of stages.filter(({ stage }) => stage === 0)) await killed.ledger.evaluationStages.record(each);
    const third = (await undisturbed.ledger.evaluations.list(31)).filter(({ uid }) => uid === 3);
    for (const each of third) await killed.ledger.evaluations.record(each);
    await killed.run();
    expect((await killed.ledger.evaluations.list(31)).map(({ uid }) => uid)).toEqual([3, 4, 5]);
    await playThrough(killed);

    expect(await evaluationsOf(killed)).toEqual(await evaluationsOf(undisturbed));
  });

  test("decides nothing while a submission that arrived is being fetched", async () => {
    const lab = await openField(measureStage, [1, 2, 3, 4, 6]);
    await offer(lab, "http://miner.example/", { miner: lab.miner(5), group: 0, roundId: 31 });
    await lab.run();
    await idle(lab);
    await lab.run();
    expect(await lab.ledger.evaluations.list(31)).toEqual([]);
    expect(lab.evaluator.requests).toHaveLength(5);

    await lab.accept(5);
    await playThrough(lab);
    expect(await batchesSeen(lab)).toEqual(BATCHES_SEEN);
  });

  test("goes on without who is rejected in a later stage, and scores who we fail to measure further by what it has", async () => {
    const lab = await openField((request) => {
      const uid = uidOf(request);
      if (request.stage?.firstBatch !== 5 || uid > 2) return measureStage(request);
      if (uid === 2) return { kind: "rejected", reason: "non_finite_loss", detail: "Batch 6 of 20" };
      throw new AppError("CHILD_EXITED", "The child is gone");
    });
    await playThrough(lab);

    expect(await lab.ledger.evaluations.list(31)).toMatchObject([
      { uid: 1, kind: "scored", batchLosses: { length: 5 } },
      { uid: 2, kind: "rejected", reason: "non_finite_loss", detail: "Batch 6 of 20" },
      { uid: 3, kind: "scored" },
      { uid: 4, kind: "scored" },
      { uid: 5, kind: "scored" },
      { uid: 6, kind: "scored", batchLosses: { length: 20 } },
    ]);
  });

  test("records a failure of the first stage as one, which costs the miner nothing", async () => {
    const lab = await openField((request) => {
      if (uidOf(request) === 1) throw new AppError("CHILD_EXITED", "The child is gone");
      return measureStage(request);
    });
    await playThrough(lab);

    expect((await lab.ledger.evaluations.list(31))[0]).toMatchObject({
      kind: "failed",
      code: "CHILD_EXITED",
      message: "CHILD_EXITED: The child is gone",
    });
  });

  test("ends where the text does", async () => {
    const lab = await openField((request) => {
      const measured = measureStage(request);
      return measured.kind === "measured" && request.stage?.firstBatch === 5
        ? { ...measured, batchesLeft: 0 }
        : measured;
    });
    await playThrough(lab);
    expect(await batchesSeen(lab)).toEqual({ ...BATCHES_SEEN, 1: 10, 2: 10, 6: 10 });
  });
});

describe("a round whose time is up", () => {
  test("is recorded from the batches seen so far, at its deadline and not before", async () => {
    const lab = await openField(measureStage, [1, 2]);
    await lab.run();
    await idle(lab);
    await lab.run();
    await idle(lab);
    lab.chain.buildUntil(68);
    await lab.run();
    expect(await lab.ledger.evaluations.list(31)).toEqual([]);

    await idle(lab);
    await lab.accept(3);
    lab.chain.buildUntil(69);
    await lab.run();
    expect(await batchesSeen(lab)).toEqual({ 1: 10, 2: 10 });
    expect(await lab.queues.queue("evaluations").find("evaluation-31-3-0")).not.toBe(null);
  });

  test("gives a merge in between what its stages have come to", async () => {
    const lab = await openField();
    await lab.run();
    await idle(lab);
    expect(await provisionalEvaluations(31, lab.ledger)).toEqual([]);

    await lab.run();
    const seen = (await provisionalEvaluations(31, lab.ledger)).map((each) => [
      each.uid,
      each.kind === "scored" && each.batchLosses.length,
    ]);
    expect((await lab.ledger.evaluations.list(31)).map(({ uid }) => uid)).toEqual([3, 4, 5]);
    expect(seen).toEqual([
      [3, 5],
      [4, 5],
      [5, 5],
      [1, 5],
      [2, 5],
      [6, 5],
    ]);
  });
});

function uidOf({ submission }: EvaluationRequest): number {
  return Number(/(\d+)[.]safetensors$/.exec(submission.path)?.[1]);
}

function measureStage(request: EvaluationRequest): Measurement {
  const { firstBatch, batches } = request.stage ?? { firstBatch: 0, batches: 20 };
  const losses = batchLosses(uidOf(request), firstBatch, batches);
  const mean = (of: (batch: BatchLoss) => number) =>
    losses.reduce((sum, batch) => sum + of(batch), 0) / (TOKENS * losses.length);
  return {
    kind: "measured",
    lossBefore: mean(({ before }) => before),
    lossAfter: mean(({ after }) => after),
    tokens: TOKENS * losses.length,
    batchLosses: losses,
    batchesLeft: 20 - firstBatch - losses.length,
    band: 1e-5,
    datasetSha256: "da".repeat(32),
  };
}

/** What a submission makes of some batches: all of a group improve more or less on a batch, and each a little of its own. */
function batchLosses(uid: number, firstBatch: number, count: number): readonly BatchLoss[] {
  const gain = GAINS[uid] ?? Number.NaN;
  return Array.from({ length: count }, (_, index) => {
    const batch = firstBatch + index;
    const before = TOKENS * (3 + (batch % 3) / 100);
    const own = gain === 0 ? 0 : 0.002 * Math.sin(13 * uid + 7 * batch * batch);
    return { tokens: TOKENS, before, after: before - TOKENS * (gain * (1 + 0.3 * Math.cos(5 * batch)) + own) };
  });
}

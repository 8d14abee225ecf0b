import { join } from "node:path";
import { AppError } from "@assay/core/app-error";
import { combinedSeed, roundSeed } from "@assay/core/round/seed";
import type { Measurement } from "@assay/evaluation/evaluator";
import { measuredLosses } from "@assay/testing/builders/measured-losses";
import { FakeEvaluator } from "@assay/testing/fake/fake-evaluator";
import { describe, expect, test } from "vitest";
import { EvaluationDuty } from "../src/evaluations/evaluation-duty.ts";
import { createEvaluationProcessor } from "../src/evaluations/evaluation-processor.ts";
import { eventually, openQueues, type Queues, useRedis } from "./queues.ts";
import { onRoster, saveRound } from "./rounds.ts";
import { metric, openStage, type Stage } from "./stage.ts";

useRedis();

const sha256 = "cd".repeat(32);
const measured: Measurement = { kind: "measured", ...measuredLosses(4.321, 3.512) };

interface Lab extends Stage {
  readonly queues: Queues;
  readonly evaluator: FakeEvaluator;
  /** What the worker believes to be the chain's block. */
  workerBlock: number;
  run(): Promise<void>;
  startWorker(): Promise<void>;
}

/** Round 31 with miners 1 and 2 on its roster and their submissions accepted. */
async function openLab(measure: () => Promise<Measurement> = async () => measured): Promise<Lab> {
  const stage = await openStage();
  const queues = await openQueues();
  const evaluator = new FakeEvaluator(measure);
  const round = await saveRound(stage, 0, {
    roster: [onRoster(stage.miner(1), 0), onRoster(stage.miner(2), 1)],
    baseVersion: 3,
  });
  for (const { uid, hotkey } of round.roster) {
    const path = `submissions/31/${hotkey}.safetensors`;
    await stage.ledger.submissions.record({ kind: "accepted", roundId: 31, uid, hotkey, path, sha256, bytes: 9 });
  }
  const lab: Lab = {
    ...stage,
    queues,
    evaluator,
    workerBlock: 36,
    run: runner(stage, queues),
    startWorker: async () => {
      const { layout, metrics, logger } = stage;
      const head = { block: async () => lab.workerBlock };
      await queues.work("evaluations", createEvaluationProcessor({ head, evaluator, layout, metrics, logger }));
    },
  };
  return lab;
}

function runner({ client, ledger, inbox, network, metrics, logger }: Stage, queues: Queues): () => Promise<void> {
  const evaluations = queues.board("evaluations");
  const duty = new EvaluationDuty({ chain: client, ledger, inbox, evaluations, metrics, logger }, network);
  return () => duty.run(client.head());
}

async function settle(lab: Lab): Promise<void> {
  await eventually(async () => {
    await lab.run();
    expect(await lab.ledger.evaluations.list(31)).toHaveLength(2);
  });
}

describe("the duty", () => {
  test("asks for nothing before the block that seeds the round is final", async () => {
    const lab = await openLab();
    lab.chain.buildUntil(35);
    await lab.run();
    expect((await lab.ledger.rounds.get(31))?.seed).toBe(null);
    expect(await lab.queues.queue("evaluations").counts()).toMatchObject({ waiting: 0 });

    lab.chain.buildUntil(36);
    await lab.run();
    const seed = roundSeed(combinedSeed(new Map()), lab.chain.hashOf(34) ?? "");
    expect((await lab.ledger.rounds.get(31))?.seed).toBe(seed);
    expect((await lab.queues.queue("evaluations").find("evaluation-31-2"))?.payload).toEqual({
      roundId: 31,
      uid: 2,
      hotkey: lab.miner(2).hotkey,
      group: 1,
      baseVersion: 3,
      submissionPath: `submissions/31/${lab.miner(2).hotkey}.safetensors`,
      submissionSha256: sha256,
      seed,
      deadlineBlock: 69,
    });
  });

  test("writes down what was measured, with the published line", async () => {
    const lab = await openLab();
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await settle(lab);
    expect(await lab.ledger.evaluations.list(31)).toMatchObject([
      { uid: 1, kind: "scored", lossBefore: 4.321, lossAfter: 3.512, tokens: 96 },
      { uid: 2, kind: "scored" },
    ]);
    const short = lab.miner(1).hotkey.slice(0, 5);
    expect(lab.logger.lines().join("\n")).toContain(
      `[INFO] Evaluating ${short}... | loss_before: 4.321 | loss_after: 3.512 | w_i: 0.187 | round: 31 | uid: 1 |`,
    );
    expect(await metric(lab, "evaluator_evaluations_total", { kind: "scored" })).toBe(2);
    expect(lab.evaluator.requests.find(({ group }) => group === 1)).toEqual({
      base: { directory: lab.layout.version(3), version: 3 },
      group: 1,
      submission: { path: join(lab.folder, "submissions", "31", `${lab.miner(2).hotkey}.safetensors`), sha256 },
      seed: (await lab.ledger.rounds.get(31))?.seed,
    });
  });

  test("picks up after a restart what was completed meanwhile", async () => {
    const lab = await openLab();
    lab.chain.buildUntil(36);
    await lab.run();
    await lab.startWorker();
    const queue = lab.queues.queue("evaluations");
    await eventually(async () => expect(await queue.counts()).toMatchObject({ completed: 2 }));
    expect(await lab.ledger.evaluations.list(31)).toEqual([]);
    const ledger = await lab.reopenLedger();
    await runner({ ...lab, ledger }, lab.queues)();
    expect(await ledger.evaluations.list(31)).toHaveLength(2);
    expect(lab.evaluator.requests).toHaveLength(2);
  });

  test("loses nothing with a flushed Redis: what is recorded stays, what was under way is asked for again", async () => {
    const lab = await openLab();
    lab.chain.buildUntil(36);
    await lab.run();
    await lab.queues.flush();
    await lab.run();
    await lab.startWorker();
    await settle(lab);
    await lab.queues.flush();
    await lab.run();
    expect(await lab.queues.queue("evaluations").counts()).toMatchObject({ waiting: 0, active: 0 });
    expect(lab.evaluator.requests).toHaveLength(2);
  });

  test("records a failure once the attempts are used up; it is no rejection, and is not tried again", async () => {
    const lab = await openLab(async () => {
      throw new AppError("CHILD_EXITED", "The child is gone");
    });
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await settle(lab);
    expect(await lab.ledger.evaluations.list(31)).toMatchObject([
      { uid: 1, kind: "failed", code: "EVALUATOR_EVALUATION_FAILED", message: "CHILD_EXITED: The child is gone" },
      { uid: 2, kind: "failed" },
    ]);
    expect(await metric(lab, "evaluator_evaluations_total", { kind: "failed" })).toBe(2);
    await lab.queues.flush();
    await lab.run();
    expect(lab.evaluator.requests).toHaveLength(2);
  });

  test("fails while Redis is away, and keeps what it knows", async () => {
    const lab = await openLab();
    lab.chain.buildUntil(36);
    lab.queues.redis.producer.disconnect();
    await expect(lab.run()).rejects.toMatchObject({ code: "QUEUE_UNAVAILABLE", retryable: true });
    expect((await lab.ledger.rounds.get(31))?.seed).not.toBe(null);
  });
});

describe("a worker", () => {
  test("lets a job expire whose deadline block is over", async () => {
    const lab = await openLab();
    lab.chain.buildUntil(36);
    lab.workerBlock = 70;
    await lab.startWorker();
    await settle(lab);
    expect((await lab.ledger.evaluations.list(31)).map(({ kind }) => kind)).toEqual(["expired", "expired"]);
    expect(lab.evaluator.requests).toEqual([]);
  });

  test("rejects weights that give a loss that is not finite", async () => {
    const lab = await openLab(async () => ({ kind: "rejected", reason: "non_finite_loss", detail: "Batch 1 of 3" }));
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await settle(lab);
    expect(await lab.ledger.evaluations.list(31)).toMatchObject([
      { uid: 1, kind: "rejected", reason: "non_finite_loss", detail: "Batch 1 of 3" },
      { uid: 2, kind: "rejected" },
    ]);
    expect(await metric(lab, "evaluator_evaluations_total", { kind: "rejected", reason: "non_finite_loss" })).toBe(2);
  });

  test("scores nobody by a base loss that is worthless", async () => {
    const lab = await openLab(async () => ({ ...measured, lossBefore: 0 }));
    const head = { block: async () => 36 };
    const { layout, metrics, logger, evaluator } = lab;
    const evaluate = createEvaluationProcessor({ head, evaluator, layout, metrics, logger });
    const payload = {
      roundId: 31,
      uid: 1,
      hotkey: lab.miner(1).hotkey,
      group: 0,
      baseVersion: 3,
      submissionPath: "submissions/31/x.safetensors",
      submissionSha256: sha256,
      seed: "5eed",
      deadlineBlock: 69,
    };
    const evaluation = evaluate({ id: "evaluation-31-1", payload, attempt: 1 }, new AbortController().signal);
    await expect(evaluation).rejects.toMatchObject({ code: "SCORE_BASE_LOSS_INVALID" });
  });
});

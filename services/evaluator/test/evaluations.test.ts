import { join } from "node:path";
import { AppError } from "@assay/core/app-error";
import { combinedSeed, roundSeed } from "@assay/core/round/seed";
import { describe, expect, test } from "vitest";
import { createEvaluationProcessor } from "../src/evaluations/evaluation-processor.ts";
import { measured, openLab, settle, submissionPath } from "./evaluation-lab.ts";
import { eventually, useRedis } from "./queues.ts";
import { fileHash } from "./rounds.ts";
import { metric } from "./stage.ts";

useRedis();

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
      submissionPath: submissionPath(2),
      submissionSha256: fileHash(2),
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
      submission: { path: join(lab.folder, submissionPath(2)), sha256: fileHash(2) },
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
    await lab.restart();
    await lab.run();
    expect(await lab.ledger.evaluations.list(31)).toHaveLength(2);
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
      { uid: 1, kind: "failed", code: "CHILD_EXITED", message: "CHILD_EXITED: The child is gone" },
      { uid: 2, kind: "failed" },
    ]);
    expect(await metric(lab, "evaluator_evaluations_total", { kind: "failed", reason: "CHILD_EXITED" })).toBe(2);
    expect(lab.logger.lines()).toContain(
      "[WARN] Submission could not be measured | round: 31 | uid: 1 | code: CHILD_EXITED | why: CHILD_EXITED: The child is gone",
    );
    await lab.queues.flush();
    await lab.run();
    expect(lab.evaluator.requests).toHaveLength(2);
  });

  test("measures once more after a failure that may pass, and the next submission is none the worse", async () => {
    let failures = 0;
    const lab = await openLab(async ({ group }) => {
      if (group === 1) return measured;
      failures += 1;
      throw new AppError("CHILD_DEADLINE", "Killed at its deadline", { retryable: true });
    });
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await settle(lab);
    expect(failures).toBe(2);
    expect(await lab.ledger.evaluations.list(31)).toMatchObject([
      { uid: 1, kind: "failed", code: "CHILD_DEADLINE" },
      { uid: 2, kind: "scored" },
    ]);
    expect(await metric(lab, "evaluator_evaluations_total", { kind: "failed", reason: "CHILD_DEADLINE" })).toBe(1);
  });

  test("takes a second attempt that worked for what it is", async () => {
    let failures = 0;
    const lab = await openLab(async () => {
      if (failures === 1) return measured;
      failures += 1;
      throw new AppError("CHILD_EXITED", "Out of memory", { retryable: true });
    });
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await settle(lab);
    expect((await lab.ledger.evaluations.list(31)).map(({ kind }) => kind)).toEqual(["scored", "scored"]);
    expect(lab.evaluator.requests).toHaveLength(3);
    expect(await metric(lab, "evaluator_evaluations_total", { kind: "failed" })).toBe(undefined);
  });

  test("names a bug by the code of this service", async () => {
    const lab = await openLab(async () => {
      throw new TypeError("x is not a function");
    });
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await settle(lab);
    const [first] = await lab.ledger.evaluations.list(31);
    expect(first).toMatchObject({ code: "EVALUATOR_EVALUATION_FAILED", message: "TypeError: x is not a function" });
  });

  test("keeps every fact of a measurement as the worker gave it", async () => {
    const facts = { band: 2e-6, datasetSha256: "0d".repeat(32), batchLosses: [{ tokens: 5, before: 20, after: 15.5 }] };
    const losses = { lossBefore: 4, lossAfter: 3.1, tokens: 5 };
    const lab = await openLab(async () => ({ kind: "measured", ...losses, ...facts }));
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await settle(lab);
    const { hotkey } = lab.miner(1);
    expect((await lab.ledger.evaluations.list(31))[0]).toEqual({
      ...{ kind: "scored", roundId: 31, uid: 1, hotkey, seconds: expect.any(Number) },
      ...losses,
      ...facts,
    });
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
      submissionSha256: fileHash(1),
      seed: "5eed",
      deadlineBlock: 69,
    };
    const evaluation = evaluate({ id: "evaluation-31-1", payload, attempt: 1 }, new AbortController().signal);
    await expect(evaluation).rejects.toMatchObject({ code: "SCORE_BASE_LOSS_INVALID" });
  });
});

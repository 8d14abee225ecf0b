import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { AppError } from "@assay/core/app-error";
import { relativeReduction } from "@assay/core/scoring/policies/reductions";
import { roundScores } from "@assay/core/scoring/round-scores";
import type { EvaluationRequest, Measurement } from "@assay/evaluation/evaluator";
import { describe, expect, test } from "vitest";
import { type Lab, measured, openLab, settle } from "./evaluation-lab.ts";
import { eventually, useRedis } from "./queues.ts";
import { onRoster } from "./rounds.ts";
import { metric, type Stage } from "./stage.ts";
import { offer } from "./submissions.ts";

useRedis();

const same = "ab".repeat(32);

/** Miners 1 and 3 committed one file, 3 a block earlier; miner 2 one of its own. */
const roster = (stage: Stage) => [
  onRoster(stage.miner(1), 0, { hash: same, block: 27 }),
  onRoster(stage.miner(2), 0),
  onRoster(stage.miner(3), 0, { hash: same, block: 26 }),
];

const detail = "committed at block 27, by uid 3 at block 26";

async function outcomes(lab: Lab): Promise<readonly (readonly [number, string])[]> {
  const records = await lab.ledger.evaluations.list(31);
  return records.map((record) => [record.uid, record.kind === "rejected" ? record.reason : record.kind] as const);
}

describe("equal files of one group", () => {
  test("are measured once, for the miner that committed first, in whatever order they came", async () => {
    const lab = await openLab(async () => measured, { roster, accepted: [1, 2, 3] });
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await settle(lab);
    const { hotkey } = lab.miner(1);
    expect((await lab.ledger.evaluations.list(31))[0]).toEqual({
      ...{ kind: "rejected", roundId: 31, uid: 1, hotkey, reason: "duplicate", detail },
    });
    expect(await outcomes(lab)).toEqual([
      [1, "duplicate"],
      [2, "scored"],
      [3, "scored"],
    ]);
    expect(lab.evaluator.requests).toHaveLength(2);
    expect(lab.logger.lines()).toContain(
      `[INFO] Rejected submission | round: 31 | uid: 1 | reason: duplicate | detail: ${detail}`,
    );
    expect(await metric(lab, "evaluator_evaluations_total", { kind: "rejected", reason: "duplicate" })).toBe(1);
    expect(await metric(lab, "evaluator_round_submissions_evaluated")).toBe(2);

    const evaluations = await lab.ledger.evaluations.list(31);
    const submissions = await lab.ledger.submissions.list(31);
    const findings = { round: lab.round, submissions, evaluations, arrived: new Set([1, 2, 3]), doorWasOpen: true };
    const { rows, states } = roundScores(findings, new Map(), { policy: relativeReduction, weightOfOld: 0.9 });
    expect(rows[0]).toMatchObject({ uid: 1, w: 0, reason: "duplicate" });
    expect(states).toContainEqual({ uid: 1, hotkey, ema: 0, points: 1, lastRound: 31 });
  });

  test("pay nobody instead when the first one's evaluation failed for our reasons", async () => {
    const measure = async ({ submission }: EvaluationRequest): Promise<Measurement> => {
      if (submission.sha256 !== same) return measured;
      throw new AppError("CHILD_EXITED", "The child is gone");
    };
    const lab = await openLab(measure, { roster, accepted: [2, 3] });
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await eventually(async () => {
      await lab.run();
      expect(await outcomes(lab)).toEqual([
        [2, "scored"],
        [3, "failed"],
      ]);
    });
    await lab.accept(1);
    await lab.run();
    expect(await outcomes(lab)).toEqual([
      [1, "duplicate"],
      [2, "scored"],
      [3, "failed"],
    ]);
    expect(lab.evaluator.requests).toHaveLength(2);
  });

  test("wait for an earlier one that arrived and is not fetched yet, whatever becomes of it", async () => {
    const lab = await openLab(async () => measured, { roster, accepted: [1, 2] });
    await offer(lab, "http://miner.example/", { miner: lab.miner(3), group: 0, roundId: 31 });
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await eventually(async () => {
      await lab.run();
      expect(await outcomes(lab)).toEqual([[2, "scored"]]);
    });
    await lab.run();
    expect(await lab.queues.queue("evaluations").find("evaluation-31-1")).toBe(null);

    await lab.accept(3);
    await settle(lab);
    expect(await outcomes(lab)).toEqual([
      [1, "duplicate"],
      [2, "scored"],
      [3, "scored"],
    ]);
  });

  test.each([
    ["was rejected", { kind: "rejected", reason: "signature_invalid", detail: "" }],
    ["expired", { kind: "expired" }],
  ] as const)("are the second one's when the first %s: it has shown nobody the bytes", async (_, outcome) => {
    const lab = await openLab(async () => measured, { roster, accepted: [1, 2] });
    const { hotkey } = lab.miner(3);
    await lab.ledger.submissions.record({ roundId: 31, uid: 3, hotkey, ...outcome });
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await eventually(async () => {
      await lab.run();
      expect(await outcomes(lab)).toEqual([
        [1, "scored"],
        [2, "scored"],
      ]);
    });
  });

  test.each([
    ["never arrived", async () => undefined],
    [
      "could not be fetched",
      async (lab: Lab) => {
        await offer(lab, "http://miner.example/", { miner: lab.miner(3), group: 0, roundId: 31 });
        const key = { roundId: 31, uid: 3, hotkey: lab.miner(3).hotkey };
        await lab.ledger.evaluations.record({ ...key, kind: "failed", code: "X", message: "X: away" });
      },
    ],
    [
      "has a receipt that nobody can read",
      async (lab: Lab) => {
        const path = lab.inbox.receiptPath(31, lab.miner(3).hotkey);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, "{");
      },
    ],
  ])("are the second one's when the first %s", async (_, befall) => {
    const lab = await openLab(async () => measured, { roster, accepted: [1, 2] });
    await befall(lab);
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await eventually(async () => {
      await lab.run();
      expect(await outcomes(lab)).toContainEqual([1, "scored"]);
    });
  });
});

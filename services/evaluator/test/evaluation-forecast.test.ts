import { AppError } from "@assay/core/app-error";
import { measuredLosses } from "@assay/testing/builders/measured-losses";
import { describe, expect, test } from "vitest";
import { type Lab, measured, openLab, settle } from "./evaluation-lab.ts";
import { eventually, useRedis } from "./queues.ts";
import { onRoster, saveRound, scored } from "./rounds.ts";
import { metric, type Stage } from "./stage.ts";

useRedis();

const four = (stage: Stage) => [1, 2, 3, 4].map((uid) => onRoster(stage.miner(uid), uid % 2));

/** Another round, closed, in which one measurement took so many seconds; miners 1, 3 and 4 have points, 2 has none. */
async function closeAnother(lab: Lab, seconds: number): Promise<void> {
  const round = await saveRound(lab, 1, { roster: [onRoster(lab.miner(1), 1)] });
  const { hotkey } = lab.miner(1);
  await lab.ledger.evaluations.record(scored(round, lab.miner(1), [4, 3], seconds));
  const states = [
    { uid: 1, hotkey, ema: 0.2, points: 1, lastRound: 21 },
    { uid: 3, hotkey: lab.miner(3).hotkey, ema: 0, points: 1, lastRound: 20 },
    { uid: 4, hotkey: lab.miner(4).hotkey, ema: 0.4, points: 1, lastRound: 22 },
  ];
  await lab.ledger.scores.closeRound(round.id, { states, rows: [] });
}

async function forecastMetrics(lab: Lab): Promise<readonly (number | undefined)[]> {
  return [
    await metric(lab, "evaluator_round_submissions_forecast"),
    await metric(lab, "evaluator_round_evaluation_seconds_forecast"),
    await metric(lab, "evaluator_evaluation_concurrency"),
  ];
}

function linesOf(lab: Lab, start: string): readonly string[] {
  return lab.logger.lines().filter((line) => line.includes(start));
}

describe("the forecast", () => {
  test("comes when the round is planned, from what earlier measurements took, and again when submissions are known", async () => {
    const lab = await openLab(async () => measured, { miners: 4, roster: four, accepted: [1, 2] });
    await closeAnother(lab, 30);
    await lab.startWorker();
    await eventually(async () => expect(await lab.queues.queue("evaluations").concurrency()).toBe(2));
    lab.chain.buildUntil(33);
    await lab.run();
    await lab.run();
    expect(linesOf(lab, "Evaluation forecast")).toEqual([
      "[INFO] Evaluation forecast | round: 31 | basis: committed | submissions: 4 | fit: 4 | seconds: 60 | concurrency: 2 | seconds_left: 420",
    ]);
    expect(await forecastMetrics(lab)).toEqual([4, 120, 2]);
    expect(await metric(lab, "evaluator_round_submissions_evaluated")).toBe(0);

    lab.chain.buildUntil(36);
    await lab.run();
    expect(linesOf(lab, "Evaluation forecast")[1]).toBe(
      "[INFO] Evaluation forecast | round: 31 | basis: accepted | submissions: 2 | fit: 2 | seconds: 30 | concurrency: 2 | seconds_left: 396",
    );
    expect(await forecastMetrics(lab)).toEqual([2, 60, 2]);
    await eventually(async () => {
      await lab.run();
      expect(await metric(lab, "evaluator_round_submissions_evaluated")).toBe(2);
    });
    expect(await forecastMetrics(lab)).toEqual([2, 60, 2]);
  });

  test("is no number while nothing was ever measured", async () => {
    const lab = await openLab();
    await lab.startWorker();
    await eventually(async () => expect(await lab.queues.queue("evaluations").concurrency()).toBe(2));
    lab.chain.buildUntil(33);
    await lab.run();
    expect(linesOf(lab, "Evaluation forecast")).toEqual([
      "[INFO] Evaluation forecast | round: 31 | basis: committed | submissions: 2 | fit: unknown | seconds: unknown | concurrency: 2 | seconds_left: 420",
    ]);
    expect(await forecastMetrics(lab)).toEqual([undefined, undefined, 2]);
  });

  test("warns once per round when not all fit, and says by how much", async () => {
    const lab = await openLab(async () => measured, { miners: 4, roster: four });
    await closeAnother(lab, 150);
    await lab.startWorker(1);
    await eventually(async () => expect(await lab.queues.queue("evaluations").concurrency()).toBe(1));
    for (const block of [32, 33, 36]) {
      lab.chain.buildUntil(block);
      await lab.run();
    }
    expect(linesOf(lab, "[WARN]")).toEqual([
      "[WARN] Not all submissions fit before the deadline: add workers or faster devices | round: 31 | basis: committed | submissions: 4 | fit: 2 | seconds: 600 | concurrency: 1 | seconds_left: 420",
    ]);
    expect((await forecastMetrics(lab))[0]).toBe(2);
  });

  test("counts a file once that two have committed", async () => {
    const roster = (stage: Stage) => [1, 2].map((uid) => onRoster(stage.miner(uid), 0, { hash: "ab".repeat(32) }));
    const lab = await openLab(async () => measured, { roster, accepted: [] });
    lab.chain.buildUntil(33);
    await lab.run();
    expect(linesOf(lab, "Evaluation forecast")[0]).toContain("| submissions: 1 |");
  });
});

describe("the order", () => {
  test("is each group's leader, then who waited longest, and a retry keeps its place", async () => {
    const order: string[] = [];
    const failed = new Set<string>();
    const lab: Lab = await openLab(
      async ({ submission: { path } }) => {
        order.push(path.replace(/^.*\/(\d)\.safetensors$/, "$1"));
        if (!path.endsWith("/1.safetensors") || failed.has(path)) return measured;
        failed.add(path);
        throw new AppError("CHILD_EXITED", "The child is gone", { retryable: true });
      },
      { miners: 4, roster: four },
    );
    await closeAnother(lab, 1);
    lab.chain.buildUntil(36);
    await lab.run();
    await lab.startWorker(1);
    await settle(lab);
    expect(order).toEqual(["4", "1", "1", "2", "3"]);
  });
});

describe("the held-out text", () => {
  const [one, other] = ["aa".repeat(32), "bb".repeat(32)];

  test.each([
    ["of one group differs: an alarm, once per round", [one, one, other, one], 1],
    ["of each group is another file: none", [one, other, one, other], 0],
  ])("%s", async (_, texts, alarms) => {
    const lab = await openLab(
      async ({ submission: { path } }) => {
        const uid = Number(/(\d)\.safetensors$/.exec(path)?.[1]);
        return { kind: "measured", ...measuredLosses(4, 3), datasetSha256: texts[uid - 1] ?? "" };
      },
      { miners: 4, roster: four },
    );
    lab.chain.buildUntil(36);
    await lab.startWorker();
    await settle(lab);
    await lab.run();
    const line =
      "[ERROR] Workers measure on different held-out text: give all of them the same file | round: 31 | group: 1";
    expect(linesOf(lab, line)).toHaveLength(alarms);
    expect(await metric(lab, "evaluator_text_conflicts_total")).toBe(alarms);
    expect((await lab.ledger.evaluations.list(31)).map(({ kind }) => kind)).toEqual(Array(4).fill("scored"));
  });
});

import type { EvaluationRequest, Evaluator, Measurement } from "@assay/evaluation/evaluator";
import { measuredLosses } from "@assay/testing/builders/measured-losses";
import { FakeEvaluator } from "@assay/testing/fake/fake-evaluator";
import { expect, test } from "vitest";
import { EvaluatorPool } from "./evaluator-pool.ts";

const never = new AbortController().signal;
const request: EvaluationRequest = {
  base: { directory: "/versions/0", version: 0 },
  group: 0,
  submission: { path: "/submissions/31/a", sha256: "ab" },
  seed: "5eed",
};
const measured: Measurement = { kind: "measured", ...measuredLosses(4, 3) };

async function startPool(evaluators: readonly Evaluator[]): Promise<EvaluatorPool> {
  const pool = new EvaluatorPool(evaluators);
  await pool.start(never);
  return pool;
}

test("each measurement has an evaluator to itself, and one too many waits for the first that is free", async () => {
  const gates = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
  let begun = 0;
  const measure = async () => {
    await gates[begun++]?.promise;
    return measured;
  };
  const evaluators = [new FakeEvaluator(measure), new FakeEvaluator(measure)];
  const pool = await startPool(evaluators);
  const all = Promise.all([1, 2, 3].map(() => pool.evaluate(request, never)));
  expect(begun).toBe(2);
  gates[0]?.resolve();
  gates[1]?.resolve();
  gates[2]?.resolve();
  await all;
  expect(evaluators.map(({ requests }) => requests.length).sort()).toEqual([1, 2]);
});

test("an evaluator that failed is free again", async () => {
  const pool = await startPool([
    new FakeEvaluator(async () => {
      throw new Error("the child is gone");
    }),
  ]);
  await expect(pool.evaluate(request, never)).rejects.toThrow("the child is gone");
  await expect(pool.evaluate(request, never)).rejects.toThrow("the child is gone");
});

test("started again it does not hand out an evaluator twice", async () => {
  let active = 0;
  let most = 0;
  const evaluator = new FakeEvaluator(async () => {
    active += 1;
    most = Math.max(most, active);
    await Promise.resolve();
    active -= 1;
    return measured;
  });
  const pool = await startPool([evaluator]);
  await pool.stop();
  await pool.start(never);
  await Promise.all([pool.evaluate(request, never), pool.evaluate(request, never)]);
  expect(most).toBe(1);
});

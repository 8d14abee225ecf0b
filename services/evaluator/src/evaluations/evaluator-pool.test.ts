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

test("a measurement begins when an evaluator is free for it", async () => {
  const gate = Promise.withResolvers<Measurement>();
  const pool = await startPool([new FakeEvaluator(() => gate.promise)]);
  const began: string[] = [];
  const all = ["first", "second"].map((name) => pool.evaluate(request, never, () => began.push(name)));
  expect(began).toEqual(["first"]);
  gate.resolve(measured);
  await Promise.all(all);
  expect(began).toEqual(["first", "second"]);
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

test("the evaluator that began first is told what will be measured next, so that it can read it", async () => {
  const gate = Promise.withResolvers<void>();
  const told: EvaluationRequest[] = [];
  const evaluator: Evaluator = {
    start: async () => undefined,
    stop: async () => undefined,
    evaluate: async () => {
      await gate.promise;
      return measured;
    },
    prepare: (next) => told.push(next),
  };
  const pool = await startPool([evaluator]);
  const [second, third] = [1, 2].map((group) => ({ ...request, group })) as [EvaluationRequest, EvaluationRequest];
  const all = [request, second, third].map((each) => pool.evaluate(each, never));
  gate.resolve();
  await Promise.all(all);
  expect(told.slice(0, 1)).toEqual([second]);
  expect(told.at(-1)).toEqual(third);
});

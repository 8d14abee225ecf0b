import { describe, expect, test } from "vitest";
import vectors from "../../../testing/golden/vectors.json" with { type: "json" };
import { allFinite, outerStep } from "./outer-step.ts";
import { bestSubmissions, pseudoGradient } from "./pseudo-gradient.ts";

const settings = { learningRate: 0.7, momentumFactor: 0.9 };

describe("the outer step", () => {
  test("agrees with the reference over three steps", () => {
    let theta: Float32Array = new Float32Array([1]);
    let momentum: Float32Array | null = null;
    const path = [0.1, 0.1, -0.05].map((gradient) => {
      const step = outerStep({ ...settings, theta, momentum, pseudoGradient: new Float32Array([gradient]) });
      ({ theta, momentum } = step);
      return Number((theta[0] ?? Number.NaN).toFixed(6));
    });
    expect(path).toEqual(vectors.sgd);
  });

  test("leaves its input as it was", () => {
    const theta = new Float32Array([1, 2]);
    const momentum = new Float32Array([0.5, 0.5]);
    outerStep({ ...settings, theta, momentum, pseudoGradient: new Float32Array([1, 1]) });
    expect([...theta, ...momentum]).toEqual([1, 2, 0.5, 0.5]);
  });

  test("walks along each element on its own", () => {
    const step = outerStep({
      theta: new Float32Array([0, 10]),
      pseudoGradient: new Float32Array([0, 1]),
      momentum: null,
      learningRate: 0.5,
      momentumFactor: 0,
    });
    expect([...step.theta]).toEqual([0, 9.5]);
    expect([...step.momentum]).toEqual([0, 1]);
  });

  test("takes the memory it is given, the input's own too", () => {
    const input = { theta: new Float32Array([1, 2]), momentum: new Float32Array([0.5, 0.5]) };
    const pseudoGradient = new Float32Array([1, -1]);
    const apart = outerStep({ ...settings, ...input, pseudoGradient });
    const inPlace = outerStep({ ...settings, ...input, pseudoGradient }, input);
    expect(inPlace.theta).toBe(input.theta);
    expect([[...inPlace.theta], [...inPlace.momentum]]).toEqual([[...apart.theta], [...apart.momentum]]);
  });

  test("begins from zero momentum whatever the memory held", () => {
    const into = { theta: new Float32Array([9]), momentum: new Float32Array([9]) };
    const step = { theta: new Float32Array([0]), pseudoGradient: new Float32Array([1]), momentum: null };
    expect([...outerStep({ ...step, learningRate: 0.5, momentumFactor: 0 }, into).momentum]).toEqual([1]);
  });

  test.each([
    ["weight", [3e38, 1], [-3e38, 0], [0, 0]],
    ["momentum", [0, 1], [-1e38, 0], [3.4e38, 3.4e38]],
    ["NaN", [0, 1], [0, Number.NaN], [0, 0]],
    ["nothing", [3e38, -3e38], [0, 0], [0, 0]],
  ] as const)("says that a result is not finite when it is not: %s", (what, theta, pseudoGradient, momentum) => {
    const input = { theta: Float32Array.from(theta), pseudoGradient: Float32Array.from(pseudoGradient) };
    const factors = { learningRate: 0.7, momentumFactor: what === "momentum" ? -2 : 0.9 };
    const step = outerStep({ ...input, ...factors, momentum: Float32Array.from(momentum) });
    expect(step.isFinite).toBe(what === "nothing");
    expect(allFinite(step.theta) && allFinite(step.momentum)).toBe(what === "nothing");
  });

  test("refuses tensors of different lengths", () => {
    const theta = new Float32Array(2);
    expect(() => outerStep({ ...settings, theta, momentum: null, pseudoGradient: new Float32Array(3) })).toThrow(
      "differ in length",
    );
  });
});

test.each([
  [[1, -2, 0], true],
  [[1, Number.NaN], false],
  [[Number.NEGATIVE_INFINITY, 1], false],
  [[3.4e38, 3.4e38], true],
])("the values %j are all finite: %s", (values, finite) => {
  expect(allFinite(new Float32Array(values))).toBe(finite);
});

describe("the pseudo-gradient", () => {
  test("weighs submissions by their shares", () => {
    const submissions = [new Float32Array([0]), new Float32Array([4])];
    expect([...pseudoGradient(new Float32Array([4]), submissions, [3, 1])]).toEqual([3]);
  });

  test("points from the submissions' mean to the global weights", () => {
    const theta = new Float32Array([1, 2]);
    expect([...pseudoGradient(theta, [new Float32Array([0, 2]), new Float32Array([1, 1])])]).toEqual([0.5, 0.5]);
  });

  test("of a long tensor is that of its elements, in the weights' own memory too", () => {
    const noise = (seed: number) => Float32Array.from({ length: 2_500 }, (_, i) => Math.sin(seed + i) * 10 ** (i % 9));
    const theta = noise(1);
    const submissions = [noise(2), noise(3)];
    const alone = theta.map((weight, i) => {
      const parts = submissions.map((each) => each.subarray(i, i + 1));
      return pseudoGradient(Float32Array.of(weight), parts, [3, 0.1])[0] ?? Number.NaN;
    });
    expect(pseudoGradient(theta, submissions, [3, 0.1])).toEqual(alone);
    expect(pseudoGradient(theta, submissions, [3, 0.1], theta)).toBe(theta);
    expect(theta).toEqual(alone);
  });

  test("refuses nothing and tensors of different lengths", () => {
    expect(() => pseudoGradient(new Float32Array(1), [new Float32Array(1)], [1, 2])).toThrow("one share per");
    expect(() => pseudoGradient(new Float32Array(1), [])).toThrow("nothing to merge");
    expect(() => pseudoGradient(new Float32Array(1), [new Float32Array(2)])).toThrow("differ in length");
  });
});

test("the best submissions are those that improved, best first, lower UID among equals", () => {
  const candidates = [
    { uid: 5, score: 0.2 },
    { uid: 2, score: 0.3 },
    { uid: 1, score: 0.2 },
    { uid: 9, score: 0 },
  ];
  expect(bestSubmissions(candidates, 2).map(({ uid }) => uid)).toEqual([2, 1]);
  expect(bestSubmissions(candidates, 9).map(({ uid }) => uid)).toEqual([2, 1, 5]);
});

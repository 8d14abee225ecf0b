import { describe, expect, test } from "vitest";
import { dot, scale, type Vector } from "./linear-algebra.ts";
import { type Rope, type RopeScaling, rotateHalves, rotatePairs, rotationOf, yarnGrowth } from "./rotary.ts";

/** Frequencies 1, 1/2, 1/4, 1/8; over 64π positions they turn 32, 16, 8 and 4 times. */
const rope: Rope = { theta: 16, dimensions: 8, maxPositions: 64 * Math.PI, scaling: {} };
const LENGTH = 10;

describe("frequencies", () => {
  test.each<readonly [string, RopeScaling, readonly number[]]>([
    ["no scaling", {}, [1, 0.5, 0.25, 0.125]],
    ["the default type", { rope_type: "default" }, [1, 0.5, 0.25, 0.125]],
    ["linear", { rope_type: "linear", factor: 4 }, [0.25, 0.125, 0.0625, 0.03125]],
    [
      "llama3: kept above 20 turns, divided by 8 below 6, between them in proportion",
      { rope_type: "llama3", factor: 8, low_freq_factor: 6, high_freq_factor: 20 },
      [1, 0.375, 0.0625, 0.015625],
    ],
    [
      "yarn: the first pair kept, the last divided by 4, the others in thirds between",
      { rope_type: "yarn", factor: 4, beta_fast: 31, beta_slow: 4.5 },
      [1, 0.375, 0.125, 0.03125],
    ],
    [
      "yarn between bounds that are not rounded",
      { type: "yarn", factor: 4, beta_fast: 31, beta_slow: 4.5, truncate: false },
      [1, 0.371484, 0.118399, 0.03125],
    ],
  ])("%s", (_, scaling, expected) => {
    const { frequencies } = rotationOf({ ...rope, scaling }, LENGTH);

    expect(frequencies).toHaveLength(expected.length);
    for (const [pair, frequency] of expected.entries()) expect(frequencies[pair]).toBeCloseTo(frequency, 6);
  });

  test.each([
    [8, [1, 0.25]],
    [12, [1, 0.125]],
  ])("dynamic scaling by 2 of a model of 8 positions for a sequence of %i", (length, expected) => {
    const scaling = { rope_type: "dynamic", factor: 2 };

    expect([...rotationOf({ theta: 16, dimensions: 4, maxPositions: 8, scaling }, length).frequencies]).toEqual(
      expected,
    );
  });
});

describe("the magnitude", () => {
  test.each<readonly [string, RopeScaling, number]>([
    ["is 1 without scaling", {}, 1],
    ["of linear scaling is 1", { type: "linear", factor: 4 }, 1],
    ["of yarn is 0.1 ln s + 1", { type: "yarn", factor: 4 }, 1.138629],
    ["of yarn may be given", { type: "yarn", factor: 4, attention_factor: 1.5 }, 1.5],
    ["of yarn is a ratio when both weights are given", { type: "yarn", factor: 4, mscale: 1, mscale_all_dim: 1 }, 1],
    ["of yarn is as without weights when only one is given", { type: "yarn", factor: 4, mscale: 2 }, 1.138629],
  ])("%s", (_, scaling, expected) => {
    expect(rotationOf({ ...rope, scaling }, LENGTH).magnitude).toBeCloseTo(expected, 6);
  });

  test("grows with the logarithm of the factor, by a tenth of the weight", () => {
    expect(yarnGrowth(40, 0.7)).toBeCloseTo(1.258222, 6);
  });
});

describe.each([
  ["halves", rotateHalves],
  ["pairs", rotatePairs],
])("rotation of %s", (_, rotate) => {
  const rotation = rotationOf(rope, LENGTH);
  const query = Float64Array.of(0.3, -1.2, 0.7, 2.1, -0.4, 0.9, 1.1, -0.2);
  const key = Float64Array.of(-0.8, 0.5, 1.9, -0.6, 0.2, 1.3, -1.4, 0.1);

  test("changes nothing at position 0", () => {
    expect([...rotate(query, 0, rotation)]).toEqual([...query]);
  });

  test("keeps the length", () => {
    const turned = rotate(query, 7, rotation);

    expect(dot(turned, turned)).toBeCloseTo(dot(query, query), 12);
    expect([...turned]).not.toEqual([...query]);
  });

  test("makes products depend on distances only", () => {
    const score = (left: number, right: number) => dot(rotate(query, left, rotation), rotate(key, right, rotation));

    expect(score(9, 4)).toBeCloseTo(score(5, 0), 12);
    expect(score(9, 4)).not.toBeCloseTo(score(9, 3), 2);
  });

  test("multiplies by the magnitude", () => {
    const larger = rotate(query, 3, { ...rotation, magnitude: 1.5 });
    const expected = scale(rotate(query, 3, rotation), 1.5);

    for (const [index, value] of larger.entries()) expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 12);
  });
});

test("one pair turns by position times frequency", () => {
  const turned = (vector: Vector) => rotateHalves(vector, 3, { frequencies: Float64Array.of(0.5), magnitude: 1 });

  expect([...turned(Float64Array.of(1, 0))]).toEqual([Math.cos(1.5), Math.sin(1.5)]);
  expect([...turned(Float64Array.of(0, 1))]).toEqual([-Math.sin(1.5), Math.cos(1.5)]);
});

test("halves and pairs are the same in another order of elements", () => {
  const rotation = rotationOf(rope, LENGTH);
  const halves = rotateHalves(Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8), 5, rotation);
  const pairs = rotatePairs(Float64Array.of(1, 5, 2, 6, 3, 7, 4, 8), 5, rotation);

  expect([0, 2, 4, 6, 1, 3, 5, 7].map((index) => pairs[index])).toEqual([...halves]);
});

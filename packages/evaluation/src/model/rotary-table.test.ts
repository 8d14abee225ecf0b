import { describe, expect, test } from "vitest";
import type { RotaryScaling, YarnScaling } from "./config.ts";
import { rotaryFrequencies, rotaryTable, yarnAttentionFactor } from "./rotary-table.ts";

const YARN: YarnScaling = {
  type: "yarn",
  factor: 4,
  originalPositions: 64,
  betaFast: 32,
  betaSlow: 1,
  truncate: true,
  attentionFactor: null,
  mscale: 1,
  mscaleAllDim: 0,
};

describe("rotaryFrequencies", () => {
  test.each<readonly [string, RotaryScaling, readonly number[]]>([
    ["are powers of theta", { type: "default" }, [1, 0.1, 0.01, 0.001]],
    ["are divided by a linear factor", { type: "linear", factor: 4 }, [0.25, 0.025, 0.0025, 0.00025]],
    // Bounds at dimensions -0.50 and 1.01, so at 0 and 2: the second pair is half slowed.
    ["are slowed by yarn beyond its bounds", YARN, [1, 0.0625, 0.0025, 0.00025]],
    // 1.008 as it is: the second pair is 0.99206 slowed.
    ["follow yarn's bounds as they are", { ...YARN, truncate: false }, [1, 0.025_595, 0.0025, 0.00025]],
    // 8192 positions make 1.3038 turns of the last pair, of which 1 to 4 are a mixture.
    [
      "are slowed by llama3 where they turn slowly",
      { type: "llama3", factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 8192 },
      [1, 0.1, 0.01, 0.000_213_607_57],
    ],
    [
      "are slowed by llama3's whole factor where they hardly turn",
      { type: "llama3", factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 60 },
      [1, 0.0125, 0.001_25, 0.000_125],
    ],
  ])("%s", (_, scaling, expected) => {
    const frequencies = rotaryFrequencies({ theta: 10_000, scaling }, 8, 16);

    expect(frequencies).toHaveLength(4);
    for (const [pair, frequency] of frequencies.entries()) expect(frequency).toBeCloseTo(expected[pair] ?? 0, 6);
  });

  test("fall with the length of a sequence that is longer than the model's, if they are dynamic", () => {
    const rotary = { theta: 10_000, scaling: { type: "dynamic", factor: 2, positions: 8 } } as const;

    expect(rotaryFrequencies(rotary, 4, 8)[1]).toBeCloseTo(0.01, 12);
    expect(rotaryFrequencies(rotary, 4, 5)[1]).toBeCloseTo(0.01, 12);
    expect(rotaryFrequencies(rotary, 4, 16)[1]).toBeCloseTo(1 / 300, 12);
  });
});

describe("yarnAttentionFactor", () => {
  test.each([
    ["as given", { attentionFactor: 1.6 }, 1.6],
    ["the paper's", {}, 1.138_629],
    ["none for a factor that does not stretch", { factor: 0.5 }, 1],
    ["none where both scales are equal, as in DeepSeek-V2", { factor: 40, mscale: 0.7, mscaleAllDim: 0.7 }, 1],
    ["the ratio of both scales", { factor: 40, mscale: 1, mscaleAllDim: 0.5 }, 1.155_722],
  ])("is %s", (_, change, expected) => {
    expect(yarnAttentionFactor({ ...YARN, ...change })).toBeCloseTo(expected, 6);
  });
});

test("rotaryTable holds cosines and sines row by row, times yarn's factor", () => {
  const plain = rotaryTable({ theta: 100, scaling: { type: "default" } }, 4, 3);
  const grown = rotaryTable({ theta: 100, scaling: { ...YARN, attentionFactor: 2, factor: 1 } }, 4, 3);

  expect(plain.cos).toEqual(Float32Array.from([1, 1, Math.cos(1), Math.cos(0.1), Math.cos(2), Math.cos(0.2)]));
  expect(plain.sin).toEqual(Float32Array.from([0, 0, Math.sin(1), Math.sin(0.1), Math.sin(2), Math.sin(0.2)]));
  expect(grown.cos).toEqual(plain.cos.map((value) => 2 * value));
});

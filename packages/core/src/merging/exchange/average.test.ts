import { describe, expect, test } from "vitest";
import { averageChunk } from "./average.ts";

describe("the average of a chunk", () => {
  test("is the plain mean when no weights are given, stored as float32", () => {
    expect([...averageChunk([Float32Array.of(1, -2), Float32Array.of(2, 0), Float32Array.of(6, 5)])]).toEqual([3, 1]);
  });

  test("weighs each contribution by its own weight", () => {
    expect([...averageChunk([Float32Array.of(1), Float32Array.of(5)], [3, 1])]).toEqual([2]);
  });

  test("is added up in float64: what a float32 sum would lose stays", () => {
    const large = Float32Array.of(2 ** 24);
    const small = Float32Array.of(1);
    const back = Float32Array.of(-(2 ** 24));
    expect(averageChunk([large, small, small, back])[0]).toBe(0.5);
  });

  test("is not finite where a value is not", () => {
    expect(averageChunk([Float32Array.of(1), Float32Array.of(Number.NaN)])[0]).toBeNaN();
  });

  test("refuses nothing, chunks of two lengths, and too few weights", () => {
    expect(() => averageChunk([])).toThrow("nothing to average");
    expect(() => averageChunk([new Float32Array(1), new Float32Array(2)])).toThrow("differ in length");
    expect(() => averageChunk([new Float32Array(1), new Float32Array(1)], [1])).toThrow("one weight per contribution");
  });
});

test("a long chunk is averaged as its elements are alone, one after the other", () => {
  const noise = (seed: number) => Float32Array.from({ length: 2_500 }, (_, i) => Math.sin(seed + i) * 10 ** (i % 9));
  const [a, b, c] = [noise(1), noise(2), noise(3)];
  const weights = [3, 1, 0.1];
  const into = new Float32Array(2_500).fill(7);
  expect(averageChunk([a, b, c], weights, into)).toBe(into);
  const alone = a.map((_, i) => {
    const parts = [a, b, c].map((each) => each.subarray(i, i + 1));
    return averageChunk(parts, weights)[0] ?? Number.NaN;
  });
  expect(into).toEqual(alone);
});

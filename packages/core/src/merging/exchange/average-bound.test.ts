import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { averageChunk } from "./average.ts";
import { isBeyondMean } from "./average-bound.ts";
import { sumOfSquares } from "./square-sum.ts";

const ULP = 2 ** -23;
const RUNS = 500;

/** Whether what is averaged honestly is found too large. */
function isHonestBeyond(contributions: readonly Float32Array[], weights: readonly number[]): boolean {
  return isBeyond(averageChunk(contributions, weights), contributions, weights);
}

function isBeyond(average: Float32Array, parts: readonly Float32Array[], weights: readonly number[]): boolean {
  return isBeyondMean(
    { squares: sumOfSquares(average), values: average.length },
    parts.map((values, index) => ({ squares: sumOfSquares(values), weight: weights[index] ?? Number.NaN })),
  );
}

describe("an average is held against its parts' lengths", () => {
  test("honest ones are never too large, whatever is averaged with whatever weights", () => {
    const values = fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 120), max: 2 ** 120 });
    const weight = fc.double({ min: 1e-6, max: 1e9, noNaN: true });
    const merge = fc.integer({ min: 1, max: 40 }).chain((length) =>
      fc.array(fc.tuple(fc.array(values, { minLength: length, maxLength: length }), weight), {
        minLength: 1,
        maxLength: 9,
      }),
    );
    fc.assert(
      fc.property(merge, (parts) => {
        const contributions = parts.map(([each]) => Float32Array.from(each));
        return !isHonestBeyond(
          contributions,
          parts.map(([, each]) => each),
        );
      }),
      { numRuns: RUNS },
    );
  });

  test("contributions of one direction reach the bound, where each value is rounded up too", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 12 }),
        fc.integer({ min: -140, max: 100 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 9 }),
        (length, exponent, weights) => {
          const contributions = weights.map((_, index) => {
            const value = (1 + (index % 2) * ULP) * 2 ** exponent;
            return new Float32Array(length).fill(value);
          });
          return !isHonestBeyond(contributions, weights);
        },
      ),
      { numRuns: RUNS },
    );
  });

  test("without the margin an honest average is beyond it", () => {
    const parts = [new Float32Array(64).fill(1 + ULP), new Float32Array(64).fill(1 + 2 * ULP)];
    const average = averageChunk(parts);
    expect(average[0]).toBe(1 + 2 * ULP);
    const mean = parts.reduce((sum, values) => sum + Math.sqrt(sumOfSquares(values)), 0) / 2;
    expect(Math.sqrt(sumOfSquares(average))).toBeGreaterThan(mean * (1 + ULP / 4));
    expect(isBeyond(average, parts, [1, 1])).toBe(false);
  });

  test("values at the end of float32 may be rounded up by a third of their length", () => {
    const least = 2 ** -149;
    const parts = [new Float32Array(64).fill(least), new Float32Array(64).fill(2 * least)];
    const average = averageChunk(parts);
    expect(average[0]).toBe(2 * least);
    expect(isBeyond(average, parts, [1, 1])).toBe(false);
    expect(isBeyond(new Float32Array(64).fill(4 * least), parts, [1, 1])).toBe(true);
  });

  test.each([
    [2, false],
    [2 + 2 ** -20, false],
    [2 + 2 ** -18, true],
    [2_000, true],
    [-2_000, true],
    [Number.NaN, true],
    [Number.POSITIVE_INFINITY, true],
  ])("the mean of 1 and 3 can be %d: beyond it is %s", (value, isBeyondIt) => {
    const parts = [Float32Array.of(1, 1), Float32Array.of(3, 3)];
    expect(isBeyond(Float32Array.of(value, value), parts, [1, 1])).toBe(isBeyondIt);
  });

  test("each part counts by its weight", () => {
    const parts = [Float32Array.of(1), Float32Array.of(5)];
    expect(isBeyond(Float32Array.of(2), parts, [3, 1])).toBe(false);
    expect(isBeyond(Float32Array.of(3), parts, [3, 1])).toBe(true);
  });

  test("refuses a mean of nothing", () => {
    expect(() => isBeyondMean({ squares: 1, values: 1 }, [])).toThrow("nothing to average");
  });
});

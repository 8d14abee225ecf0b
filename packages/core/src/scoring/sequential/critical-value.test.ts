import { describe, expect, test } from "vitest";
import { criticalValue } from "./critical-value.ts";

describe("the critical value", () => {
  test.each([
    [0.05, 2, 2.92],
    [0.025, 4, 2.7764],
    [0.025, 10, 2.2281],
    [0.01, 8, 2.8965],
    [0.001, 20, 3.5518],
    [0.0005, 30, 3.646],
    [0.005, 60, 2.6603],
    [0.01, 120, 2.3578],
  ])("exceeded with probability %d at %i degrees is the printed table's %d", (probability, degrees, expected) => {
    expect(criticalValue(probability, degrees)).toBeCloseTo(expected, 3);
  });

  test.each([
    [0.000_01, 2, 223.603_44],
    [0.000_001, 8, 12.109_83],
    [0.000_001, 48, 5.405_58],
  ])("exceeded with probability %d at %i degrees is %d", (probability, degrees, expected) => {
    expect(criticalValue(probability, degrees)).toBeCloseTo(expected, 4);
  });

  test("is this double and no other", () => {
    expect(criticalValue(0.025 / 180, 8)).toBe(6.137498849219729);
  });

  test("of an odd number of degrees is that of the even one below, which is larger", () => {
    expect(criticalValue(0.01, 9)).toBe(criticalValue(0.01, 8));
    expect(criticalValue(0.01, 10)).toBeLessThan(criticalValue(0.01, 9));
  });

  test("is beyond everything for a probability that float64 cannot tell from 0", () => {
    expect(criticalValue(1e-11, 8)).toBe(Number.POSITIVE_INFINITY);
  });

  test.each([
    [0.05, 1],
    [0.05, 2.5],
    [0.5, 8],
    [0, 8],
    [Number.NaN, 8],
  ])("does not exist for probability %d at %d degrees", (probability, degrees) => {
    expect(() => criticalValue(probability, degrees)).toThrow(RangeError);
  });
});

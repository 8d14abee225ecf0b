import { describe, expect, test } from "vitest";
import { isWithinMaxWeight, maxUpscaled } from "./pallet-weights.ts";

describe("the chain's own scaling", () => {
  test.each([
    [[], []],
    [[0], [0]],
    [
      [0, 0],
      [0, 0],
    ],
    [[1], [65_535]],
    [
      [0, 1, 65_534],
      [0, 1, 65_535],
    ],
    [
      [0, 1, 2, 3, 4, 65_533, 65_535],
      [0, 1, 2, 3, 4, 65_533, 65_535],
    ],
    [
      [1, 2, 4],
      [16_384, 32_768, 65_535],
    ],
  ])("of %j is %j", (weights, stored) => {
    expect(maxUpscaled(weights)).toEqual(stored);
  });

  test.each([
    [16_384, 32_768, 32_768],
    [16_385, 32_770, 32_767],
    [29_493, 32_770, 58_981],
  ])("of %i beside %i is %i: a half goes up, and down where the quotient was cut off", (weight, largest, stored) => {
    expect(maxUpscaled([weight, largest])).toEqual([stored, 65_535]);
  });
});

describe("the chain's own check of the largest weight", () => {
  test.each([
    [[], 0, true],
    [[0], 0, true],
    [[65_535], 65_535, true],
    [[65_535], 65_534, false],
    [[65_535, 65_535], 32_767, false],
    [[65_535, 65_535], 32_768, true],
    [[65_535, 65_535, 65_535], 21_845, true],
    [[65_535, 65_535, 65_535], 21_844, false],
    [[65_535, 65_535, 65_534], 21_845, false],
  ])("takes %j under %i: %s", (weights, limit, isTaken) => {
    expect(isWithinMaxWeight(weights, limit)).toBe(isTaken);
  });
});

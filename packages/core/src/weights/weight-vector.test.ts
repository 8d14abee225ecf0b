import { describe, expect, test } from "vitest";
import { maxUpscaled } from "./pallet-weights.ts";
import { weightVector } from "./weight-vector.ts";

describe("the weights on chain", () => {
  test("are what the chain stores for 1, 2 and 4", () => {
    expect(
      weightVector([
        [0, 1],
        [1, 2],
        [2, 4],
      ]),
    ).toEqual({ uids: [0, 1, 2], weights: [16_384, 32_768, 65_535] });
  });

  test("are ordered by UID and leave out who earned nothing", () => {
    const scores = new Map([
      [9, 0.1],
      [3, 0.2],
      [4, 0],
      [5, -1],
      [6, Number.NaN],
      [7, Number.POSITIVE_INFINITY],
    ]);
    expect(weightVector(scores)).toEqual({ uids: [3, 9], weights: [65_535, 32_768] });
  });

  test("leave out what would round to 0", () => {
    expect(
      weightVector([
        [1, 1],
        [2, 1e-9],
      ]),
    ).toEqual({ uids: [1], weights: [65_535] });
  });

  test("pass the chain's own scaling unchanged", () => {
    const { weights } = weightVector([
      [1, 0.187],
      [2, 0.031],
      [3, 0.0004],
    ]);
    expect(maxUpscaled(weights)).toEqual(weights);
  });

  test("are none where nobody earned anything", () => {
    expect(weightVector([])).toEqual({ uids: [], weights: [] });
    expect(weightVector([[1, 0]])).toEqual({ uids: [], weights: [] });
  });
});

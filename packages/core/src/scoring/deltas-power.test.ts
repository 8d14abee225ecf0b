import { expect, test } from "vitest";
import vectors from "../../../testing/golden/vectors.json" with { type: "json" };
import { deltaPower, rankPoints } from "./deltas-power.ts";

test.each([
  [4.321, 4.221, vectors.pow[0]],
  [4.321, 3.512, vectors.pow[1]],
  [3.3516, 0, vectors.pow[2]],
])("the power of the loss reduction from %d to %d agrees with the reference", (before, after, expected) => {
  expect(Number(deltaPower(before, after).toFixed(6))).toBe(expected);
});

test("a loss that rose has no power", () => {
  expect(deltaPower(1, 2)).toBe(0);
});

test("ranks go to unique deltas above 0, as in the reference's example", () => {
  const deltas = new Map([
    [1, 0.5],
    [2, 0.4],
    [3, 0.4],
    [4, 0.3],
    [5, 0.2],
    [6, 0],
    [7, 0.1],
  ]);
  expect(Object.fromEntries(rankPoints(deltas))).toEqual({ 1: 2.25, 2: 0, 3: 0, 4: 1.5, 5: 1, 6: 0, 7: 0 });
});

import { expect, test } from "vitest";
import { isWithinMaxWeight } from "./pallet-weights.ts";
import { limitedWeights } from "./weight-limits.ts";

const limits = { neurons: 8, minAllowedWeights: 1, maxWeightsLimit: 65_535, ownUid: 0 };

test("what is above the largest share goes to the others in proportion", () => {
  // Half of the sum at most: 8 of 12 become 6, and 6 are left for 3 and 1. Rounded, 49150 and 16383 would leave the first
  // 65535 of 131068, one part in 4 · 10^9 too much, so both are one higher.
  const scores = new Map([
    [1, 8],
    [2, 3],
    [3, 1],
  ]);
  const result = limitedWeights(scores, { ...limits, maxWeightsLimit: 32_768 });
  expect(result).toEqual({ kind: "vector", uids: [1, 2, 3], weights: [65_535, 49_151, 16_384], capped: [1] });
});

test("who comes above the limit by another's cut is cut too", () => {
  const scores = new Map([
    [1, 90],
    [2, 8],
    [3, 1],
    [4, 1],
  ]);
  const result = limitedWeights(scores, { ...limits, maxWeightsLimit: 26_214 });
  expect(result).toEqual({
    kind: "vector",
    uids: [1, 2, 3, 4],
    weights: [65_535, 65_535, 16_384, 16_384],
    capped: [1, 2],
  });
});

test("a small score is not lost beside a large one when the large one is cut", () => {
  const scores = new Map([
    [1, 1],
    [2, 1e-200],
  ]);
  expect(limitedWeights(scores, { ...limits, maxWeightsLimit: 40_000 })).toEqual({
    kind: "vector",
    uids: [1, 2],
    weights: [65_535, 41_836],
    capped: [1],
  });
});

test("rounding never lifts the largest over the limit", () => {
  const scores = new Map(Array.from({ length: 30 }, (_, index) => [index + 1, index === 0 ? 50 : 1 + index / 1000]));
  const result = limitedWeights(scores, { ...limits, neurons: 64, maxWeightsLimit: 6554 });
  expect(result.kind === "vector" && isWithinMaxWeight(result.weights, 6554)).toBe(true);
});

test("two miners cannot keep to a third, and are told what it would take", () => {
  const scores = new Map([
    [1, 2],
    [2, 1],
  ]);
  const unmet = { kind: "refused", reason: "max_weight_unmet", weights: 2 };
  expect(limitedWeights(scores, { ...limits, maxWeightsLimit: 21_845 })).toEqual({ ...unmet, atLeast: 3 });
  expect(limitedWeights(scores, { ...limits, maxWeightsLimit: 0 })).toEqual({ ...unmet, atLeast: 65_535 });
});

test("a short vector is refused and not padded; a small subnet asks for no more than its neurons", () => {
  const scores = new Map([
    [1, 2],
    [2, 1],
  ]);
  const refused = { kind: "refused", reason: "too_few_weights", weights: 2, atLeast: 3 };
  expect(limitedWeights(scores, { ...limits, minAllowedWeights: 3 })).toEqual(refused);
  expect(limitedWeights(scores, { ...limits, minAllowedWeights: 3, neurons: 2 })).toMatchObject({ kind: "vector" });
  expect(limitedWeights(new Map(), limits)).toEqual({ ...refused, weights: 0, atLeast: 1 });
});

test("what rounds to nothing does not count", () => {
  const scores = new Map([
    [1, 1],
    [2, 1e-6],
  ]);
  expect(limitedWeights(scores, { ...limits, minAllowedWeights: 2 })).toEqual({
    kind: "refused",
    reason: "too_few_weights",
    weights: 1,
    atLeast: 2,
  });
});

test("a weight on ourselves alone is free of both rules", () => {
  const alone = { kind: "vector", uids: [0], weights: [65_535], capped: [] };
  const strict = { ...limits, minAllowedWeights: 3, maxWeightsLimit: 10 };
  expect(limitedWeights(new Map([[0, 0.3]]), strict)).toEqual(alone);
  expect(limitedWeights(new Map([[1, 0.3]]), strict)).toMatchObject({ kind: "refused" });
});

import { describe, expect, test } from "vitest";
import vectors from "../../../testing/golden/vectors.json" with { type: "json" };
import { cohortShares, withOwnerShare } from "./cohort-shares.ts";

const first = new Map([
  [1, 2.25],
  [2, 1.5],
  [3, 0.875],
]);
const second = new Map([
  [4, 0.5],
  [5, 0.25],
  [6, 0.125],
]);

describe("cohort shares", () => {
  test("agree with the reference", () => {
    expect(rounded(cohortShares({ first, second }))).toEqual(vectors.weights);
  });

  test("leave five percent to the owner, as the reference does", () => {
    expect(rounded(withOwnerShare(cohortShares({ first, second })))).toEqual({ ...vectors.weights_owner, 0: 0.05 });
  });

  test("go to the owner where the first cohort is empty", () => {
    expect(rounded(cohortShares({ first: new Map(), second }))).toEqual({
      0: 0.98,
      4: 0.011429,
      5: 0.005714,
      6: 0.002857,
    });
  });

  test("all go to the first cohort where the second is empty", () => {
    expect(rounded(cohortShares({ first, second: new Map() }))).toEqual({ 1: 0.486486, 2: 0.324324, 3: 0.189189 });
  });

  test("are even where nobody of a cohort has an average", () => {
    const none = new Map([
      [7, 0],
      [8, 0],
    ]);
    expect(rounded(cohortShares({ first, second: none }))).toMatchObject({ 7: 0.01, 8: 0.01 });
  });

  test("are all the owner's where there are none", () => {
    expect(rounded(withOwnerShare(new Map()))).toEqual({ 0: 1 });
  });
});

function rounded(shares: ReadonlyMap<number, number>): Record<string, number> {
  return Object.fromEntries([...shares].map(([uid, share]) => [uid, Number(share.toFixed(6))]));
}

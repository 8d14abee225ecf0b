import { describe, expect, test } from "vitest";
import vectors from "../../../../testing/golden/vectors.json" with { type: "json" };
import { SCORING_POLICIES, type ScoringPolicyName, scoringPolicy } from "./policies.ts";
import type { MeasuredSubmission } from "./scoring-policy.ts";

/** The published log's submission, and one each that did half of it, nothing and harm. */
const field = [
  measured(7, 4.321, 3.512),
  measured(3, 4.321, 3.9165),
  measured(5, 4.321, 4.321),
  measured(4, 4.321, 4.5),
];

describe("relative reduction", () => {
  test("is the published log's 0.187", () => {
    expect(ws("relative_reduction", [measured(7, 4.321, 3.512)])[7]?.toFixed(3)).toBe("0.187");
  });

  test("is the share of the base loss: 0.809 / 4.321 and 0.4045 / 4.321", () => {
    expect(rounded("relative_reduction", field)).toEqual({ 3: 0.093613, 4: 0, 5: 0, 7: 0.187225 });
  });
});

describe("absolute reduction", () => {
  test("is 4.321 - 3.512 nats and 4.321 - 3.9165 nats", () => {
    expect(rounded("absolute_reduction", field)).toEqual({ 3: 0.4045, 4: 0, 5: 0, 7: 0.809 });
  });
});

describe("the share over the cycle", () => {
  test("is 0.809 and 0.4045 of 1.2135", () => {
    expect(rounded("cycle_share", field)).toEqual({ 3: 0.333333, 4: 0, 5: 0, 7: 0.666667 });
  });

  test("counts nats of all groups alike: 1 of 4 and 2 of 4 nats, and 1 of 2 nats, are shares of 4 nats", () => {
    const submissions = [measured(1, 4, 3, 0), measured(2, 4, 2, 0), measured(3, 2, 1, 1)];
    expect(ws("cycle_share", submissions)).toEqual({ 1: 0.25, 2: 0.5, 3: 0.25 });
  });

  test("is nobody's where nobody improved the model", () => {
    expect(ws("cycle_share", [measured(1, 4, 4), measured(2, 4, 5)])).toEqual({ 1: 0, 2: 0 });
  });
});

describe("the power of the reduction", () => {
  test.each([
    [4.321, 4.221, vectors.pow[0]],
    [4.321, 3.512, vectors.pow[1]],
    [3.3516, 0, vectors.pow[2]],
  ])("from %d to %d agrees with the reference", (before, after, expected) => {
    expect(rounded("reduction_power", [measured(1, before, after)])).toEqual({ 1: expected });
  });

  test("of a loss that rose is 0", () => {
    expect(ws("reduction_power", [measured(1, 1, 2)])).toEqual({ 1: 0 });
  });
});

describe("the points of ranks", () => {
  /** The reference's example: these reductions of a base loss of 2. */
  const example = Object.entries({ 1: 1.5, 2: 1.25, 3: 1.25, 4: 1, 5: 0.75, 6: 0, 7: 0.5 }).map(([uid, reduction]) =>
    measured(Number(uid), 2, 2 - reduction),
  );

  test("go to unique reductions above 0, as in the reference's example", () => {
    expect(ws("rank_points", example)).toEqual({ 1: 2.25, 2: 0, 3: 0, 4: 1.5, 5: 1, 6: 0, 7: 0 });
  });

  test("are withheld for three reasons", () => {
    const scores = scoringPolicy("rank_points")(example);
    expect([2, 3, 6, 7].map((uid) => scores.get(uid)?.reason)).toEqual(["tied", "tied", "no_improvement", "outranked"]);
  });

  test("are not withheld for a tie in w alone: equal shares of different base losses are different reductions", () => {
    expect(ws("rank_points", [measured(1, 4, 3), measured(2, 2, 1.5)])).toEqual({ 1: 2.25, 2: 1.5 });
  });
});

describe.each(SCORING_POLICIES)("%s", (name) => {
  test("has a score for every submission, and none without", () => {
    expect(Object.keys(ws(name, field))).toEqual(["3", "4", "5", "7"]);
    expect(scoringPolicy(name)([]).size).toBe(0);
  });

  test("gives the same to the last bit in any order", () => {
    const submissions = [0.1, 0.2, 0.3, 0.7].map((reduction, uid) => measured(uid, 3, 3 - reduction));
    expect(ws(name, submissions.toReversed())).toEqual(ws(name, submissions));
  });

  test("says why a measured submission earns nothing", () => {
    const scores = scoringPolicy(name)(field);
    expect(scores.get(7)?.reason).toBe(null);
    expect(scores.get(4)).toEqual({ w: 0, reason: "no_improvement" });
    expect(scores.get(5)).toEqual({ w: 0, reason: "no_improvement" });
  });

  test("pays nothing for a loss that is not finite", () => {
    expect(ws(name, [measured(1, 4, Number.NaN), measured(2, 4, Number.NEGATIVE_INFINITY)])).toEqual({ 1: 0, 2: 0 });
  });

  test("scores nobody by a base loss that is worthless, which is our fault", () => {
    expect(() => ws(name, [measured(1, 4, 3), measured(2, 0, 1)])).toThrow(
      expect.objectContaining({ code: "SCORE_BASE_LOSS_INVALID" }),
    );
  });
});

function measured(uid: number, lossBefore: number, lossAfter: number, group = 0): MeasuredSubmission {
  return { uid, hotkey: `hotkey-${uid}`, group, lossBefore, lossAfter };
}

function ws(name: ScoringPolicyName, submissions: readonly MeasuredSubmission[]): Record<string, number> {
  return Object.fromEntries([...scoringPolicy(name)(submissions)].map(([uid, { w }]) => [uid, w]));
}

function rounded(name: ScoringPolicyName, submissions: readonly MeasuredSubmission[]): Record<string, number> {
  return Object.fromEntries(Object.entries(ws(name, submissions)).map(([uid, w]) => [uid, Number(w.toFixed(6))]));
}

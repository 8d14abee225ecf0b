import { describe, expect, test } from "vitest";
import { scoreOf } from "./score.ts";

describe("a submission's score", () => {
  test("is the published log's 0.187", () => {
    expect(scoreOf(4.321, 3.512)).toBeCloseTo(0.187_225, 6);
    expect(scoreOf(4.321, 3.512).toFixed(3)).toBe("0.187");
  });

  test.each([
    [4, 4, 0],
    [4, 5, 0],
    [4, 2, 0.5],
    [4, 0, 1],
  ])("from %d to %d nats is %d", (before, after, score) => {
    expect(scoreOf(before, after)).toBe(score);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "is 0 for a loss of %d afterwards, which is the miner's doing",
    (after) => {
      expect(scoreOf(4, after)).toBe(0);
    },
  );

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])(
    "does not exist for a base loss of %d, which is our fault",
    (before) => {
      expect(() => scoreOf(before, 1)).toThrow(expect.objectContaining({ code: "SCORE_BASE_LOSS_INVALID" }));
    },
  );
});

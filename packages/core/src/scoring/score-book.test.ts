import { describe, expect, test } from "vitest";
import vectors from "../../../testing/golden/vectors.json" with { type: "json" };
import { averageOfLast, emaNext, recordPoints, type ScoreBook } from "./score-book.ts";

const series = [1, 0, 2.25, 1.5];

describe("the moving average", () => {
  test.each([
    ["α = 0.2 on the new value", 0.8, vectors.ema[0]],
    ["α = 0.9 on the new value", 0.1, vectors.ema[1]],
    ["α = 0.9 on the old value", 0.9, vectors.ema[2]],
  ])("agrees with the reference for %s", (_, weightOfOld, expected) => {
    const ema = series.reduce<number | null>((previous, value) => emaNext(previous, value, weightOfOld), null);
    expect(ema).toBeCloseTo(expected ?? Number.NaN, 12);
  });

  test("starts at the first value", () => {
    expect(emaNext(null, 0.25, 0.9)).toBe(0.25);
  });

  test("refuses a weight that would never move or overshoot, and a value that is no number", () => {
    expect(() => emaNext(0, 1, 1)).toThrow(RangeError);
    expect(() => emaNext(0, 1, -0.1)).toThrow(RangeError);
    expect(() => emaNext(0, Number.NaN, 0.9)).toThrow(RangeError);
  });
});

describe("the book of scores", () => {
  const book: ScoreBook = new Map([
    [1, { uid: 1, hotkey: "alice", ema: 0.5, points: 4 }],
    [2, { uid: 2, hotkey: "bob", ema: 0.25, points: 1 }],
  ]);

  test("moves the scored and keeps those we could not measure", () => {
    const next = recordPoints(book, [{ uid: 1, hotkey: "alice", value: 0 }], 0.5);
    expect(next.get(1)).toEqual({ uid: 1, hotkey: "alice", ema: 0.25, points: 5 });
    expect(next.get(2)).toEqual({ uid: 2, hotkey: "bob", ema: 0.25, points: 1 });
    expect(book.get(1)?.ema).toBe(0.5);
  });

  test("starts afresh when a slot has a new hotkey", () => {
    const next = recordPoints(book, [{ uid: 1, hotkey: "carol", value: 0.125 }], 0.9);
    expect(next.get(1)).toEqual({ uid: 1, hotkey: "carol", ema: 0.125, points: 1 });
  });

  test("takes up newcomers", () => {
    const next = recordPoints(book, [{ uid: 7, hotkey: "dave", value: 0.75 }], 0.9);
    expect(next.get(7)).toEqual({ uid: 7, hotkey: "dave", ema: 0.75, points: 1 });
  });
});

test("the reference's average looks at the newest points only", () => {
  expect(averageOfLast([100, 1, 2, 3], 3)).toBe(2);
  expect(averageOfLast([1], 8)).toBe(1);
  expect(averageOfLast([], 8)).toBe(0);
});

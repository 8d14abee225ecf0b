import { expect, test } from "vitest";
import { distanceBetween, isWithinRounding, sharesOf } from "./shares.ts";

const shares = (weights: Readonly<Record<number, number>>) =>
  sharesOf(Object.entries(weights).map(([uid, weight]) => [Number(uid), weight] as const));

test("only ratios count, and zeros are no weights", () => {
  expect(shares({ 1: 30_000, 2: 10_000, 3: 0 })).toEqual(
    new Map([
      [1, 0.75],
      [2, 0.25],
    ]),
  );
  expect(shares({ 1: 0 })).toEqual(new Map());
});

test.each([
  ["equal vectors", { 1: 3, 2: 1 }, { 1: 60_000, 2: 20_000 }, 0],
  ["a quarter that went elsewhere", { 1: 3, 2: 1 }, { 1: 3, 3: 1 }, 0.25],
  ["half that was shared out", { 1: 1 }, { 1: 2, 2: 1, 3: 1 }, 0.5],
  ["nothing in common", { 1: 5 }, { 2: 7, 3: 1 }, 1],
])("the distance of %s", (_case, one, other, distance) => {
  expect(distanceBetween(shares(one), shares(other))).toBe(distance);
  expect(distanceBetween(shares(other), shares(one))).toBe(distance);
});

test.each([
  ["rounded down instead of up", { 1: 65_535, 2: 21_845, 3: 7 }, { 1: 65_535, 2: 21_846, 3: 6 }, true],
  ["of another scale", { 1: 65_535, 2: 21_845 }, { 1: 3, 2: 1 }, true],
  ["with one that rounds to nothing", { 1: 65_535, 2: 1 }, { 1: 65_535 }, true],
  ["two apart", { 1: 65_535, 2: 21_845 }, { 1: 65_535, 2: 21_847 }, false],
  ["with two that do not round to nothing", { 1: 65_535, 2: 2 }, { 1: 65_535 }, false],
])("a vector %s is the same to the rounding: %#", (_case, one, other, same) => {
  expect(isWithinRounding(shares(one), shares(other))).toBe(same);
});

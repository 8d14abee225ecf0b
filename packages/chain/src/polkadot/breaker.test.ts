import { expect, test } from "vitest";
import { Breaker } from "./breaker.ts";

const breakerWith = (random: number) =>
  new Breaker({ firstPauseMillis: 200, lastPauseMillis: 30_000, random: () => random });

test("an endpoint may be tried at once until it fails", () => {
  expect(breakerWith(1).trialAt).toBe(Number.NEGATIVE_INFINITY);
});

test("each failure in a row doubles the pause, up to the longest", () => {
  const breaker = breakerWith(1);
  const pauses = Array.from({ length: 9 }, () => {
    breaker.failed(1_000);
    return breaker.trialAt - 1_000;
  });
  expect(pauses).toEqual([400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
});

test("jitter takes away up to half of the pause", () => {
  const breaker = breakerWith(0);
  breaker.failed(0);
  expect(breaker.trialAt).toBe(200);
});

test("a success forgets all failures", () => {
  const breaker = breakerWith(1);
  breaker.failed(0);
  breaker.failed(0);
  breaker.succeeded();
  expect(breaker.trialAt).toBe(Number.NEGATIVE_INFINITY);
  breaker.failed(0);
  expect(breaker.trialAt).toBe(400);
});

import { describe, expect, test } from "vitest";
import {
  type Candidate,
  forecastEvaluations,
  median,
  type OrderFacts,
  orderEvaluations,
  type SpeedFacts,
} from "./evaluation-plan.ts";

const candidate = (uid: number, group = 0): Candidate => ({ uid, hotkey: `hotkey-${uid}`, group });
const standing = (uid: number, ema: number, lastRound: number, hotkey: string = `hotkey-${uid}`) =>
  [uid, { hotkey, ema, lastRound }] as const;

const uids = (candidates: readonly Candidate[], facts: Partial<OrderFacts> = {}) =>
  orderEvaluations(candidates, {
    own: new Set(candidates.map(({ hotkey }) => hotkey)),
    standings: new Map(),
    ...facts,
  }).map(({ uid }) => uid);

const forecast = (order: readonly Candidate[], facts: Partial<SpeedFacts>) =>
  forecastEvaluations(order, { speeds: [{ group: 0, seconds: 10 }], concurrency: 1, secondsLeft: 100, ...facts });

describe("the order", () => {
  test("begins with each group's leader, then whoever waited longest, newcomers before all", () => {
    const candidates = [candidate(1), candidate(2), candidate(3), candidate(4), candidate(5, 1), candidate(6, 1)];
    const standings = new Map([
      standing(1, 0.1, 76),
      standing(2, 0.3, 76),
      standing(3, 0.2, 31),
      standing(5, 0.4, 121),
      standing(6, 0.1, 121),
    ]);
    expect(uids(candidates, { standings })).toEqual([5, 2, 4, 3, 1, 6]);
  });

  test("puts what others are assigned last, their leaders too", () => {
    const candidates = [candidate(1), candidate(2), candidate(3, 1)];
    const standings = new Map([standing(3, 0.5, 31), standing(1, 0.1, 76), standing(2, 0.05, 31)]);
    expect(uids(candidates, { standings, own: new Set(["hotkey-1", "hotkey-2"]) })).toEqual([1, 2, 3]);
  });

  test("gives a UID's new owner neither its predecessor's lead nor its turn", () => {
    const standings = new Map([standing(1, 0.9, 121, "gone"), standing(2, 0.1, 76), standing(3, 0, 76)]);
    expect(uids([candidate(1), candidate(2), candidate(3)], { standings })).toEqual([2, 1, 3]);
  });

  test("falls back on the UID, whatever order the candidates came in", () => {
    expect(uids([candidate(9), candidate(2), candidate(5)])).toEqual([2, 5, 9]);
  });
});

describe("the forecast", () => {
  const four = [candidate(1), candidate(2), candidate(3), candidate(4)];

  test.each([
    [1, 30, 3, 40],
    [1, 29.9, 2, 40],
    [2, 20, 4, 20],
    [3, 19, 3, 20],
    [8, 10, 4, 10],
    [1, -5, 0, 40],
  ])(
    "with %i at once and %d seconds left %i of four fit, and all take %d",
    (concurrency, secondsLeft, fit, seconds) => {
      expect(forecast(four, { concurrency, secondsLeft })).toEqual({ fit, seconds, deviceSeconds: 40 });
    },
  );

  test("takes each group's own median, and all groups' for one that was never measured", () => {
    const speeds = [1, 2, 90].map((seconds) => ({ group: 0, seconds })).concat({ group: 1, seconds: 8 });
    expect(forecast([candidate(1, 0)], { speeds })?.seconds).toBe(2);
    expect(forecast([candidate(1, 1)], { speeds })?.seconds).toBe(8);
    expect(forecast([candidate(1, 2)], { speeds })?.seconds).toBe(5);
  });

  test("is none while the speed or the concurrency is unknown", () => {
    expect(forecast(four, { speeds: [] })).toBe(null);
    expect(forecast(four, { concurrency: null })).toBe(null);
  });

  test("without a worker is that nothing fits, and without candidates that nothing is to do", () => {
    expect(forecast(four, { concurrency: 0 })).toEqual({ fit: 0, seconds: null, deviceSeconds: 40 });
    expect(forecast([], {})).toEqual({ fit: 0, seconds: 0, deviceSeconds: 0 });
  });
});

test("the median is the middle, or the mean of the two in the middle", () => {
  expect([median([]), median([3]), median([9, 1, 2]), median([4, 1, 3, 2])]).toEqual([null, 3, 2, 2.5]);
});

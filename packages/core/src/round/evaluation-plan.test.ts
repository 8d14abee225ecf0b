import { describe, expect, test } from "vitest";
import { type Candidate, type EvaluationFacts, median, planEvaluations } from "./evaluation-plan.ts";

const candidate = (uid: number, group = 0): Candidate => ({ uid, hotkey: `hotkey-${uid}`, group });
const standing = (uid: number, ema: number, lastRound: number) =>
  [uid, { hotkey: `hotkey-${uid}`, ema, lastRound }] as const;

function plan(facts: Partial<EvaluationFacts<Candidate>>) {
  const { candidates = [] } = facts;
  const own = new Set(candidates.map(({ hotkey }) => hotkey));
  return planEvaluations({
    candidates,
    own,
    standings: new Map(),
    speeds: [{ group: 0, seconds: 10 }],
    slots: 1,
    secondsLeft: 100,
    ...facts,
  });
}

const uids = (facts: Partial<EvaluationFacts<Candidate>>) => plan(facts).order.map(({ uid }) => uid);

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
    expect(uids({ candidates, standings })).toEqual([5, 2, 4, 3, 1, 6]);
  });

  test("puts what others are assigned last, their leaders too", () => {
    const candidates = [candidate(1), candidate(2), candidate(3, 1)];
    const standings = new Map([standing(3, 0.5, 31), standing(1, 0.1, 76), standing(2, 0.05, 31)]);
    expect(uids({ candidates, standings, own: new Set(["hotkey-1", "hotkey-2"]) })).toEqual([1, 2, 3]);
  });

  test("gives a slot's new owner neither its predecessor's lead nor its turn", () => {
    const standings = new Map([
      [1, { hotkey: "gone", ema: 0.9, lastRound: 121 }] as const,
      standing(2, 0.1, 76),
      standing(3, 0, 76),
    ]);
    expect(uids({ candidates: [candidate(1), candidate(2), candidate(3)], standings })).toEqual([2, 1, 3]);
  });

  test("falls back on the UID, whatever order the candidates came in", () => {
    expect(uids({ candidates: [candidate(9), candidate(2), candidate(5)] })).toEqual([2, 5, 9]);
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
  ])("with %i slots and %d seconds left %i of four fit, and all take %d", (slots, secondsLeft, fit, seconds) => {
    expect(plan({ candidates: four, slots, secondsLeft }).forecast).toEqual({ fit, seconds });
  });

  test("takes each group's own median, and all groups' for one that was never measured", () => {
    const speeds = [1, 2, 90].map((seconds) => ({ group: 0, seconds })).concat({ group: 1, seconds: 8 });
    expect(plan({ candidates: [candidate(1, 0)], speeds }).forecast).toEqual({ fit: 1, seconds: 2 });
    expect(plan({ candidates: [candidate(1, 1)], speeds }).forecast).toEqual({ fit: 1, seconds: 8 });
    expect(plan({ candidates: [candidate(1, 2)], speeds }).forecast).toEqual({ fit: 1, seconds: 5 });
  });

  test("is none while the speed or the number of slots is unknown", () => {
    expect(plan({ candidates: four, speeds: [] })).toMatchObject({ forecast: null, order: four });
    expect(plan({ candidates: four, slots: null }).forecast).toBe(null);
  });

  test("without a slot is that nothing fits, and without candidates that nothing is to do", () => {
    expect(plan({ candidates: four, slots: 0 }).forecast).toEqual({ fit: 0, seconds: null });
    expect(plan({ candidates: [] }).forecast).toEqual({ fit: 0, seconds: 0 });
  });
});

test("the median is the middle, or the mean of the two in the middle", () => {
  expect([median([]), median([3]), median([9, 1, 2]), median([4, 1, 3, 2])]).toEqual([null, 3, 2, 2.5]);
});

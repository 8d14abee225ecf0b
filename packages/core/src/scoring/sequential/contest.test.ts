import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ContestRules, type ContestStanding, contestStanding, type Entrant, type StageResult } from "./contest.ts";

const rules: ContestRules = { keep: 1, errorLevel: 0.05, stages: 4 };
const underWay = { complete: true, closing: false };
const NOISE = [0.003, -0.002, 0.001, -0.002];

describe("a contest", () => {
  test("begins before all have come, and decides nothing until then", () => {
    const field = [entrant(1, 0.05, 1), entrant(2, 0.01, 1), entrant(3, 0.03, 0)];
    expect(plain(contestStanding(field.slice(0, 2), rules, { complete: false, closing: false }))).toEqual({
      asks: [],
      over: [],
      stops: [],
    });
    expect(plain(contestStanding(field, rules, { complete: false, closing: false })).asks).toEqual([[3, 0]]);
  });

  test("waits after a stage for the slowest", () => {
    const field = [entrant(1, 0.05, 2), entrant(2, 0.05, 1), entrant(3, 0.05, 2)];
    expect(plain(contestStanding(field, rules, underWay))).toEqual({ asks: [[2, 1]], over: [], stops: [] });
  });

  test("asks for the next stage of those that go on", () => {
    const field = [entrant(1, 0.05, 1), entrant(2, 0.01, 1), entrant(3, 0.05, 1)];
    expect(plain(contestStanding(field, rules, underWay))).toEqual({
      asks: [
        [1, 1],
        [3, 1],
      ],
      over: [2],
      stops: [2],
    });
  });

  test("lets the last ones run on without waiting", () => {
    const field = [entrant(1, 0.05, 3), entrant(2, 0.01, 1)];
    expect(plain(contestStanding(field, rules, underWay))).toEqual({ asks: [[1, 3]], over: [2], stops: [2] });
    expect(plain(contestStanding([entrant(1, 0.05, 4), entrant(2, 0.01, 1)], rules, underWay)).over).toEqual([2, 1]);
  });

  test("is over for all after the last stage, and nobody is stopped there", () => {
    const field = [entrant(1, 0.05, 4), entrant(2, 0.05, 4)];
    expect(plain(contestStanding(field, rules, underWay))).toEqual({ asks: [], over: [1, 2], stops: [] });
  });

  test("is over where the text ends, although there were more stages", () => {
    const short = (uid: number) => ({ uid, results: [measured(0.05), { ...measured(0.05), batchesLeft: 0 }] });
    expect(plain(contestStanding([short(1), short(2)], rules, underWay))).toMatchObject({ asks: [], over: [1, 2] });
    expect(plain(contestStanding([short(1)], rules, underWay))).toMatchObject({ asks: [], over: [1] });
  });

  test("goes on without who was rejected or could not be measured", () => {
    const ended = { uid: 2, results: [measured(0.05), { kind: "ended" as const }] };
    const field = [entrant(1, 0.05, 2), ended, entrant(3, 0.05, 2)];
    expect(plain(contestStanding(field, rules, underWay))).toMatchObject({
      asks: [
        [1, 2],
        [3, 2],
      ],
      over: [2],
      stops: [],
    });
    expect(plain(contestStanding([ended], rules, underWay))).toMatchObject({ asks: [], over: [2] });
  });

  test("closes with what there is: who was measured is over, and who was not is still asked for", () => {
    const field = [entrant(1, 0.05, 1), entrant(2, 0.01, 2), entrant(3, 0.03, 0)];
    expect(plain(contestStanding(field, rules, { complete: true, closing: true }))).toEqual({
      asks: [[3, 0]],
      over: [1, 2],
      stops: [],
    });
  });

  test("of one stage is over after it", () => {
    const field = [entrant(1, 0.05, 1), entrant(2, 0.01, 1)];
    expect(plain(contestStanding(field, { ...rules, stages: 1 }, underWay))).toEqual({
      asks: [],
      over: [1, 2],
      stops: [],
    });
  });

  test("ends alike in whatever order results come in, and keeps as many to the end as it is to keep", () => {
    const gains = fc.array(
      fc.integer({ min: -20, max: 60 }).map((each) => each / 1000),
      { minLength: 1, maxLength: 7 },
    );
    const keep = fc.integer({ min: 1, max: 3 });
    fc.assert(
      fc.property(gains, keep, fc.infiniteStream(fc.nat()), (field, kept, choices) => {
        const [one, other] = [playThrough(field, kept, choices), playThrough(field, kept, always(0))];
        expect(one).toEqual(other);
        const whole = one.filter(([, stages]) => stages === 4).length;
        const harmful = field.filter((gain) => gain < 0).length;
        expect(whole).toBeGreaterThanOrEqual(Math.min(kept, field.length - harmful));
      }),
    );
  });
});

/** Measures whatever is asked for, one at a time as `choices` say, until nobody is left; stages seen by UID. */
function playThrough(
  gains: readonly number[],
  keep: number,
  choices: Iterator<number>,
): readonly (readonly [number, number])[] {
  let field = gains.map((_, uid): Entrant => ({ uid, results: [] }));
  for (;;) {
    const { asks, over } = contestStanding(field, { ...rules, keep }, underWay);
    if (asks.length === 0) {
      expect(over.size).toBe(gains.length);
      return field.map(({ uid, results }) => [uid, results.length]);
    }
    const ask = asks[(choices.next().value ?? 0) % asks.length];
    field = field.map((each) =>
      each.uid === ask?.uid ? { ...each, results: [...each.results, measured(gains[each.uid] ?? 0, each.uid)] } : each,
    );
  }
}

function* always(value: number): Generator<number> {
  for (;;) yield value;
}

function plain({ asks, over, stops }: ContestStanding) {
  return { asks: asks.map(({ uid, stage }) => [uid, stage]), over: [...over], stops: [...stops.keys()] };
}

function entrant(uid: number, gain: number, stages: number): Entrant {
  return { uid, results: Array.from({ length: stages }, () => measured(gain, uid)) };
}

/** Four batches of about this improvement of a loss of 3. */
function measured(gain: number, uid = 0): Extract<StageResult, { kind: "measured" }> {
  const batchLosses = NOISE.map((_, index) => ({
    tokens: 1,
    before: 3,
    after: 3 - gain - (NOISE[(index + uid) % NOISE.length] ?? 0),
  }));
  return { kind: "measured", batchLosses, batchesLeft: 100 };
}

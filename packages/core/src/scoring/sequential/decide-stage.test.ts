import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Contestant, decideStage, type StageRules } from "./decide-stage.ts";

const TOKENS = 512;
const rules: StageRules = { keep: 1, errorLevel: 0.05, looks: 4, entrants: 3 };

describe("who stops", () => {
  test("is who is worse than another on every batch by about the same", () => {
    const field = [improving(1, [0.03, 0.05, 0.04, 0.06]), improving(2, [0.01, 0.03, 0.021, 0.04])];
    expect(decideStage(field, rules)).toEqual(new Map([[2, { reason: "outranked", by: [1] }]]));
  });

  test("is nobody where the difference changes as much as it is large", () => {
    const field = [improving(1, [0.03, 0.05, 0.04, 0.06]), improving(2, [0.01, 0.06, 0.02, 0.05])];
    expect(decideStage(field, rules)).toEqual(new Map());
  });

  test("is who has `keep` better ones, and not who has one fewer", () => {
    const field = [0.05, 0.04, 0.03, 0.02].map((gain, uid) =>
      improving(
        uid,
        Array(8)
          .fill([gain, 2 * gain])
          .flat(),
      ),
    );
    const stops = (keep: number) => [...decideStage(field, { ...rules, entrants: 4, errorLevel: 0.5, keep }).keys()];
    expect(stops(1)).toEqual([1, 2, 3]);
    expect(stops(2)).toEqual([2, 3]);
    expect(stops(3)).toEqual([3]);
    expect(stops(4)).toEqual([]);
  });

  test("is who raises the base's loss, whoever is better", () => {
    const field = [improving(1, [0, 0, 0, 0]), improving(2, [-0.03, -0.031, -0.03, -0.032])];
    expect(decideStage(field, rules)).toEqual(new Map([[2, { reason: "worse_than_base" }]]));
  });

  test("is nobody in fewer than three batches", () => {
    expect(decideStage([improving(1, [0.5, 0.5]), improving(2, [-0.5, -0.5])], rules)).toEqual(new Map());
  });

  test("is nobody by a difference of 2e-5, which another machine may make, however steady it is", () => {
    const ahead = (difference: number) =>
      decideStage([improving(1, Array(9).fill(0.01 + difference)), improving(2, Array(9).fill(0.01))], rules);
    expect(ahead(1.9e-5).size).toBe(0);
    expect(ahead(2.1e-5).size).toBe(1);
  });

  test("is not decided by batches that only one of the two has", () => {
    const field = [improving(1, [0.04, 0.05, 0.04, 9, 9, 9]), improving(2, [0.04, 0.05, 0.04])];
    expect(decideStage(field, rules)).toEqual(new Map());
  });

  test("depends on how many looks and submissions there are: the more, the larger the difference must be", () => {
    const field = [improving(1, [0.03, 0.05, 0.04, 0.06]), improving(2, [0.01, 0.035, 0.021, 0.04])];
    expect(decideStage(field, { ...rules, looks: 1, entrants: 2 }).size).toBe(1);
    expect(decideStage(field, { ...rules, looks: 9, entrants: 256 }).size).toBe(0);
  });

  test("is nobody where so much is compared that no difference could be beyond chance", () => {
    const field = [improving(1, [0.5, 0.5, 0.5]), improving(2, [0.1, 0.1, 0.1])];
    expect(decideStage(field, { ...rules, errorLevel: 0.0001, looks: 1e6 }).size).toBe(0);
  });

  test.each([{ keep: 0 }, { looks: 0 }, { entrants: 1 }])("is not asked with %j", (parts) => {
    const field = [improving(1, [1, 1, 1]), improving(2, [1, 1, 1])];
    expect(() => decideStage(field, { ...rules, ...parts })).toThrow(RangeError);
  });
});

describe("in any field", () => {
  const gain = fc.double({ min: -0.1, max: 0.1, noNaN: true });
  const fields = fc
    .record({ batches: fc.integer({ min: 1, max: 12 }), count: fc.integer({ min: 1, max: 9 }) })
    .chain(({ batches, count }) =>
      fc.tuple(
        ...Array.from({ length: count }, (_, uid) =>
          fc
            .record({ mean: gain, gains: fc.array(fc.double({ min: -0.01, max: 0.01, noNaN: true }), sized(batches)) })
            .map(({ mean, gains }) =>
              improving(
                uid,
                gains.map((each) => each + mean),
              ),
            ),
        ),
      ),
    );
  const asked = fc.record({
    keep: fc.integer({ min: 1, max: 4 }),
    errorLevel: fc.constantFrom(0.001, 0.05, 0.5),
    looks: fc.integer({ min: 1, max: 12 }),
    entrants: fc.constantFrom(9, 64),
  });

  test("the order of submissions decides nothing, and the same losses decide the same", () => {
    fc.assert(
      fc.property(fields, asked, fc.infiniteStream(fc.nat()), (field, rules, keys) => {
        const shuffled = field.map((contestant) => ({ contestant, key: keys.next().value ?? 0 }));
        shuffled.sort((a, b) => a.key - b.key);
        const again = decideStage(
          shuffled.map(({ contestant }) => structuredClone(contestant)),
          rules,
        );
        expect([...again]).toEqual([...decideStage(field, rules)]);
      }),
    );
  });

  test("nobody stops where there are no more submissions than are kept, and at least that many go on as outranked", () => {
    fc.assert(
      fc.property(fields, asked, (field, rules) => {
        const stops = [...decideStage(field, rules).values()];
        if (field.length <= rules.keep) expect(stops).toEqual([]);
        const outranked = stops.filter(({ reason }) => reason === "outranked").length;
        expect(field.length - outranked).toBeGreaterThanOrEqual(Math.min(rules.keep, field.length));
      }),
    );
  });

  test("who goes on still does with a lower loss on every batch, and who stops still does with a higher one", () => {
    fc.assert(
      fc.property(
        fields,
        asked,
        fc.nat(),
        fc.double({ min: 0.0001, max: 0.1, noNaN: true }),
        (field, rules, at, by) => {
          const one = field[at % field.length];
          if (one === undefined) throw new Error("The field is empty");
          const changed = (change: number) => field.map((each) => (each === one ? shifted(one, change) : each));
          const stops = (contestants: readonly Contestant[]) => decideStage(contestants, rules).has(one.uid);
          if (stops(field)) expect(stops(changed(-by))).toBe(true);
          else expect(stops(changed(by))).toBe(false);
        },
      ),
    );
  });

  test("a stop is told with at least `keep` others, and never with oneself", () => {
    fc.assert(
      fc.property(fields, asked, (field, rules) => {
        for (const [uid, stop] of decideStage(field, rules)) {
          if (stop.reason !== "outranked") continue;
          expect(stop.by.length).toBeGreaterThanOrEqual(rules.keep);
          expect(stop.by).not.toContain(uid);
        }
      }),
    );
  });
});

/** A submission that removes so many nats per token, on a base that loses 3. */
function improving(uid: number, gains: readonly number[]): Contestant {
  return {
    uid,
    batchLosses: gains.map((gain) => ({ tokens: TOKENS, before: 3 * TOKENS, after: (3 - gain) * TOKENS })),
  };
}

function shifted({ uid, batchLosses }: Contestant, gain: number): Contestant {
  return { uid, batchLosses: batchLosses.map((batch) => ({ ...batch, after: batch.after - gain * batch.tokens })) };
}

function sized(length: number): { readonly minLength: number; readonly maxLength: number } {
  return { minLength: length, maxLength: length };
}

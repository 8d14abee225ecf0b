import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cohortShares } from "../scoring/cohort-shares.ts";
import { isWithinMaxWeight, maxUpscaled } from "./pallet-weights.ts";
import { type LimitedWeights, limitedWeights, type WeightLimits } from "./weight-limits.ts";
import { weightVector } from "./weight-vector.ts";

const uid = fc.nat({ max: 4095 });
/** Anything a broken score could be, most often a score. */
const anyNumber = fc.oneof({ weight: 4, arbitrary: fc.double({ min: 0, noNaN: true }) }, fc.double());
const anyScores = fc.array(fc.tuple(uid, anyNumber), { maxLength: 64 }).map((pairs) => new Map(pairs));
/** Scores of one neighbourhood, where rounding matters. */
const score = fc.double({ min: 1e-3, max: 1, noNaN: true });
const scores = fc.array(fc.tuple(uid, score), { minLength: 1, maxLength: 64 }).map((pairs) => new Map(pairs));
const u16 = fc.nat({ max: 65_535 });

const isScore = (value: number) => Number.isFinite(value) && value > 0;
const limits = (parts: Partial<WeightLimits> = {}): WeightLimits => ({
  neurons: 4096,
  minAllowedWeights: 1,
  maxWeightsLimit: 65_535,
  ownUid: null,
  ...parts,
});

describe("every vector of scores", () => {
  test("names each UID once, in order, and only those with a score", () => {
    fc.assert(
      fc.property(anyScores, (given) => {
        const { uids, weights } = weightVector(given);
        expect(uids).toEqual([...new Set(uids)].sort((a, b) => a - b));
        expect(weights).toHaveLength(uids.length);
        expect(uids.filter((each) => !isScore(given.get(each) ?? 0))).toEqual([]);
        expect(weights.every((weight) => Number.isInteger(weight) && weight >= 1 && weight <= 65_535)).toBe(true);
      }),
    );
  });

  test("has 65535 for the largest score, and is empty only without any", () => {
    fc.assert(
      fc.property(anyScores, (given) => {
        const { weights } = weightVector(given);
        expect(Math.max(0, ...weights)).toBe([...given.values()].some(isScore) ? 65_535 : 0);
      }),
    );
  });

  test("keeps ratios to half of 1/65535, and leaves out what is less", () => {
    fc.assert(
      fc.property(anyScores, (given) => {
        const { uids, weights } = weightVector(given);
        const weightOf = new Map(uids.map((each, index) => [each, weights[index] ?? 0]));
        const largest = Math.max(0, ...[...given.values()].filter(isScore));
        for (const [each, value] of [...given].filter(([, value]) => isScore(value))) {
          expect(Math.abs((weightOf.get(each) ?? 0) - (value / largest) * 65_535)).toBeLessThanOrEqual(0.5);
        }
      }),
    );
  });

  test("keeps the order of scores: who has more never gets less", () => {
    fc.assert(fc.property(anyScores, (given) => expectOrderKept(given, weightVector(given))));
  });

  test("passes the chain's scaling unchanged, so it is read back equal", () => {
    fc.assert(
      fc.property(anyScores, (given) => {
        const { weights } = weightVector(given);
        expect(maxUpscaled(weights)).toEqual(weights);
      }),
    );
  });

  test("is the same whatever unit the scores have", () => {
    fc.assert(
      fc.property(scores, fc.integer({ min: -40, max: 40 }), (given, exponent) => {
        const scaled = [...given].map(([each, value]) => [each, value * 2 ** exponent] as const);
        expect(weightVector(scaled)).toEqual(weightVector(given));
      }),
    );
  });

  test("is even only when all scores round to the same", () => {
    fc.assert(
      fc.property(anyScores, (given) => {
        const { uids, weights } = weightVector(given);
        const isEven = weights.every((weight) => weight === 65_535);
        const paid = uids.map((each) => given.get(each) ?? 0);
        expect(isEven).toBe(paid.length === 0 || Math.min(...paid) / Math.max(...paid) >= 65_534.5 / 65_535);
      }),
    );
  });
});

describe("the chain's scaling", () => {
  test("of what it has scaled changes nothing", () => {
    fc.assert(
      fc.property(fc.array(u16, { maxLength: 256 }), (weights) => {
        const stored = maxUpscaled(weights);
        expect(maxUpscaled(stored)).toEqual(stored);
      }),
    );
  });

  test("is exact to half of 1/65535 and what was cut off, and keeps order", () => {
    fc.assert(
      fc.property(fc.array(u16, { minLength: 1, maxLength: 256 }), (weights) => {
        const largest = Math.max(1, ...weights);
        const stored = maxUpscaled(weights);
        for (const [index, weight] of weights.entries()) {
          const exact = (weight * 65_535) / largest;
          expect(Math.abs((stored[index] ?? 0) - exact)).toBeLessThanOrEqual(0.5 + 2 ** -16);
        }
        expectOrderKept(new Map(weights.entries()), { uids: [...weights.keys()], weights: stored });
      }),
    );
  });
});

describe("a vector under the subnet's limits", () => {
  const anyLimit = fc.integer({ min: 1, max: 65_535 });

  test("passes the chain's own check, or says how many miners it would take", () => {
    fc.assert(
      fc.property(scores, anyLimit, (given, maxWeightsLimit) => {
        const result = limitedWeights(given, limits({ maxWeightsLimit }));
        if (result.kind === "vector") {
          expect(isWithinMaxWeight(maxUpscaled(result.weights), maxWeightsLimit)).toBe(true);
          expect(Math.max(...result.weights)).toBe(65_535);
        } else {
          expect(result.reason).toBe("max_weight_unmet");
          expect(given.size * maxWeightsLimit).toBeLessThan(65_535);
          expect(result.atLeast * maxWeightsLimit).toBeGreaterThanOrEqual(65_535);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("keeps the order, and makes only those equal that it cuts", () => {
    fc.assert(
      fc.property(scores, anyLimit, (given, maxWeightsLimit) => {
        const result = limitedWeights(given, limits({ maxWeightsLimit }));
        if (result.kind === "refused") return;
        expectOrderKept(given, result);
        expect(result.capped.every((each) => weightOf(result, each) === 65_535)).toBe(true);
      }),
    );
  });

  test("keeps the ratios of those it does not cut", () => {
    fc.assert(
      fc.property(scores, anyLimit, (given, maxWeightsLimit) => {
        const result = limitedWeights(given, limits({ maxWeightsLimit }));
        if (result.kind === "refused") return;
        const free = result.uids.filter((each) => !result.capped.includes(each));
        const [first] = free;
        if (first === undefined) return;
        const scale = weightOf(result, first) / (given.get(first) ?? 1);
        for (const each of free) {
          const error = Math.abs(weightOf(result, each) - (given.get(each) ?? 0) * scale);
          // Two roundings of a half each, of which one is scaled, and what rounding asks all to be raised by.
          expect(error).toBeLessThanOrEqual(2.5 * (1 + (given.get(each) ?? 0) / (given.get(first) ?? 1)));
        }
      }),
    );
  });

  test("is the plain one where nobody is above the limit", () => {
    fc.assert(
      fc.property(scores, (given) => {
        expect(limitedWeights(given, limits())).toEqual({ kind: "vector", ...weightVector(given), capped: [] });
      }),
    );
  });

  test("is never longer than the miners that have a score, and is refused when that is too short", () => {
    fc.assert(
      fc.property(scores, fc.nat({ max: 80 }), fc.nat({ max: 80 }), (given, minAllowedWeights, neurons) => {
        const result = limitedWeights(given, limits({ minAllowedWeights, neurons }));
        const atLeast = Math.max(1, Math.min(minAllowedWeights, neurons));
        if (result.kind === "vector") expect(result.uids.length).toBeGreaterThanOrEqual(atLeast);
        else expect(result).toEqual({ kind: "refused", reason: "too_few_weights", weights: given.size, atLeast });
      }),
    );
  });
});

test("cohorts are paid 98 to 2 by the vector too, but for its rounding", () => {
  const cohort = fc.array(score, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(cohort, cohort, (first, second) => {
      const shares = cohortShares({
        first: new Map(first.map((average, index) => [1 + index, average])),
        second: new Map(second.map((average, index) => [101 + index, average])),
      });
      const { uids, weights } = weightVector(shares);
      const sum = weights.reduce((total, weight) => total + weight, 0);
      const ofFirst = weights.filter((_, index) => (uids[index] ?? 0) < 100).reduce((total, each) => total + each, 0);
      expect(Math.abs(ofFirst / sum - 0.98)).toBeLessThanOrEqual((first.length + second.length) / sum);
    }),
  );
});

function expectOrderKept(
  given: ReadonlyMap<number, number>,
  { uids, weights }: Pick<LimitedWeights, "uids" | "weights">,
): void {
  const rising = uids
    .map((each, index) => ({ value: given.get(each) ?? 0, weight: weights[index] ?? 0 }))
    .sort((a, b) => a.value - b.value || a.weight - b.weight);
  for (const [index, { value, weight }] of rising.entries()) {
    const before = rising[index - 1];
    if (before === undefined) continue;
    expect(weight).toBeGreaterThanOrEqual(before.weight);
    if (before.value === value) expect(weight).toBe(before.weight);
  }
}

function weightOf({ uids, weights }: LimitedWeights, each: number): number {
  return weights[uids.indexOf(each)] ?? 0;
}

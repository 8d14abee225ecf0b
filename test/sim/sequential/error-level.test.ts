import { type Contestant, decideStage, type Stop } from "@assay/core/scoring/sequential/decide-stage";
import { createRandom, type Random } from "@assay/evaluation/model/random";
import { describe, expect, test } from "vitest";

const TOKENS = 512;
const STAGE_BATCHES = 5;
const LOOKS = 5;
const ROUNDS = 1000;

/** The worst that can be: nobody is better than anybody, so every stop of the first is wrong. */
const NOISES: readonly (readonly [string, (random: Random) => number])[] = [
  ["normal", (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())],
  ["even over each sequence", (random) => ofSequences(() => random() - 0.5)],
  ["far-tailed", (random) => Math.tan(Math.PI * (random() - 0.5))],
  ["askew over each sequence", (random) => ofSequences(() => -Math.log(1 - random()) - 1)],
];
const FIELDS = [
  [2, 1, 0.5],
  [4, 1, 0.5],
  [4, 2, 0.5],
  [9, 3, 0.5],
  [4, 1, 0.1],
] as const;

describe.each(NOISES)("where all are equally good and noise is %s", (name, noise) => {
  test.each(FIELDS)(
    "of %i submissions with %i kept, one of the first stops in at most four fifths of %d of all rounds",
    (entrants, keep, level) => {
      const rounds = stopsOf({ entrants, keep, errorLevel: level }, noise, 0.02);
      expect(shareWith(rounds, isFirstOutranked(keep))).toBeLessThanOrEqual(0.8 * level);
    },
  );

  test.each(FIELDS)(
    "of %i submissions that change nothing with %i kept, a stop is wrong in at most %d of all rounds",
    (entrants, keep, level) => {
      const rounds = stopsOf({ entrants, keep, errorLevel: level }, noise, 0);
      const isWorse = (_: number, { reason }: Stop) => reason === "worse_than_base";
      const isWrong = (uid: number, stop: Stop) => isWorse(uid, stop) || isFirstOutranked(keep)(uid, stop);
      expect(shareWith(rounds, isWrong)).toBeLessThanOrEqual(level);
      // The rule says so itself: alone against the base, noise that is askew takes more than its fifth.
      if (name !== "askew over each sequence") expect(shareWith(rounds, isWorse)).toBeLessThanOrEqual(0.2 * level);
    },
  );
});

test("the bound is no empty promise: at a high level and two submissions some rounds do stop the first", () => {
  const [, normal] = NOISES[0] ?? ["", () => 0];
  const rounds = stopsOf({ entrants: 2, keep: 1, errorLevel: 0.5 }, normal, 0.02);
  expect(shareWith(rounds, isFirstOutranked(1))).toBeGreaterThan(0.05);
});

function isFirstOutranked(keep: number): (uid: number, stop: Stop) => boolean {
  return (uid, { reason }) => uid < keep && reason === "outranked";
}

function shareWith(
  rounds: readonly ReadonlyMap<number, Stop>[],
  isWrong: (uid: number, stop: Stop) => boolean,
): number {
  return rounds.filter((stops) => [...stops].some(([uid, stop]) => isWrong(uid, stop))).length / rounds.length;
}

/** Who stopped in each round, at whatever look. */
function stopsOf(
  rules: { readonly entrants: number; readonly keep: number; readonly errorLevel: number },
  noise: (random: Random) => number,
  gain: number,
): readonly ReadonlyMap<number, Stop>[] {
  const random = createRandom(3);
  return Array.from({ length: ROUNDS }, () => {
    const field = Array.from({ length: rules.entrants }, (_, uid) => drawn(uid, () => gain + 0.01 * noise(random)));
    const stops = new Map<number, Stop>();
    for (let look = 1; look <= LOOKS; look += 1) {
      const running = field
        .filter(({ uid }) => !stops.has(uid))
        .map(({ uid, batchLosses }) => ({ uid, batchLosses: batchLosses.slice(0, look * STAGE_BATCHES) }));
      for (const [uid, stop] of decideStage(running, { ...rules, looks: LOOKS })) stops.set(uid, stop);
    }
    return stops;
  });
}

/** The mean of a batch of eight sequences: what makes batches nearly normal, which the rule counts on. */
function ofSequences(noise: () => number): number {
  return Array.from({ length: 8 }, noise).reduce((sum, each) => sum + each, 0) / 8;
}

function drawn(uid: number, gain: () => number): Contestant {
  const batchLosses = Array.from({ length: LOOKS * STAGE_BATCHES }, () => ({
    tokens: TOKENS,
    before: 3 * TOKENS,
    after: (3 - gain()) * TOKENS,
  }));
  return { uid, batchLosses };
}

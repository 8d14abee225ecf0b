import { expect, test } from "vitest";
import { QUICKNET } from "./timelock/beacon.ts";
import { epochByNumber, revealBlock, revealRound, type WeightRules, weightWay } from "./weight-rules.ts";

const beacon = { ...QUICKNET, lastStoredRound: 100 };
const rules: WeightRules = {
  way: "timelocked",
  block: 1000,
  blockSeconds: QUICKNET.genesisSeconds + 3000,
  secondsPerBlock: 12,
  epoch: { index: 4, firstBlock: 740, nextBlock: 1100, blocks: 360 },
  revealPeriodEpochs: 1,
  beacon,
};

test.each([
  [false, 4, true, true, "plain"],
  [true, 4, true, true, "timelocked"],
  [true, 3, true, true, "hashed"],
  [true, 4, false, true, "hashed"],
  [true, null, false, true, "hashed"],
  [true, 5, true, false, null],
  [true, null, false, false, null],
] as const)("enabled %s, version %s, timelock %s, hash %s: %s", (enabled, version, hasTimelock, hasHash, way) => {
  const means = { commitRevealEnabled: enabled, commitRevealVersion: version, hasTimelock, hasHash };
  expect(weightWay(means)).toBe(way);
});

test("a commit is revealed from the first block of the epoch that its period leads to", () => {
  expect(revealBlock(rules)).toBe(1100);
  expect(revealBlock({ ...rules, revealPeriodEpochs: 3 })).toBe(1820);
});

test("its round is the one signed three blocks into that epoch", () => {
  // 3000 s + 103 blocks of 12 s = 4236 s = 1412 rounds of 3 s.
  expect(revealRound(rules, beacon)).toBe(1412);
  expect(revealRound({ ...rules, revealPeriodEpochs: 2 }, beacon)).toBe(1412 + 1440);
});

test("its round is never one that the chain has already", () => {
  expect(revealRound(rules, { ...beacon, lastStoredRound: 5000 })).toBe(5001);
});

test("epochs by number begin where block + netuid + 1 is a multiple of tempo + 1", () => {
  expect(epochByNumber(357, { netuid: 2, tempo: 360 })).toEqual({
    index: 0,
    firstBlock: -3,
    nextBlock: 358,
    blocks: 361,
  });
  expect(epochByNumber(358, { netuid: 2, tempo: 360 })).toEqual({
    index: 1,
    firstBlock: 358,
    nextBlock: 719,
    blocks: 361,
  });
});

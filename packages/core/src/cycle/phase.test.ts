import { describe, expect, test } from "vitest";
import {
  blocksUntilNextPhase,
  type CycleSchedule,
  cycleLength,
  NINE_PHASE_45,
  phaseAt,
  phaseWindow,
  previousPhaseBlocks,
  SEED_45,
} from "./phase.ts";

const CONNITO_500: CycleSchedule = {
  distribute: 20,
  train: 300,
  minerCommit1: 10,
  minerCommit2: 10,
  submission: 80,
  validate: 10,
  merge: 50,
  validatorCommit1: 10,
  validatorCommit2: 10,
};

describe("a cycle's length", () => {
  test("is the sum of its phases", () => {
    expect(cycleLength(NINE_PHASE_45)).toBe(45);
    expect(cycleLength(SEED_45)).toBe(45);
    expect(cycleLength(CONNITO_500)).toBe(500);
  });

  test.each([
    [{ ...NINE_PHASE_45, train: -1 }, "length of train must be a whole number, not -1"],
    [{ ...NINE_PHASE_45, merge: 1.5 }, "length of merge must be a whole number, not 1.5"],
    [{ ...NINE_PHASE_45, validate: Number.NaN }, "length of validate must be a whole number, not NaN"],
  ])("of an impossible schedule is refused (%#)", (schedule, message) => {
    expect(() => cycleLength(schedule)).toThrow(message);
  });

  test("of no blocks at all is refused", () => {
    const empty = { ...SEED_45, distribute: 0, train: 0, minerCommit1: 0, minerCommit2: 0, submission: 0 };
    expect(() => cycleLength(empty)).toThrow("at least one block");
  });
});

describe("the phase of a block", () => {
  test.each([
    [0, 0, "distribute", 0, 4],
    [44, 0, "validatorCommit2", 43, 44],
    [45, 1, "distribute", 45, 49],
    [54_321, 1207, "train", 54_320, 54_339],
    [54_346, 1207, "submission", 54_346, 54_348],
  ] as const)("in the nine-phase table: block %i is in cycle %i, %s, blocks %i to %i", (block, ...expected) => {
    const [cycle, phase, firstBlock, lastBlock] = expected;
    expect(phaseAt(block, NINE_PHASE_45)).toEqual({ block, cycle, phase, firstBlock, lastBlock });
  });

  test.each([
    [8_081_470, 16_162, "merge", 8_081_430, 8_081_479],
    [19, 0, "distribute", 0, 19],
    [20, 0, "train", 20, 319],
  ] as const)("in the 500-block table: block %i is in cycle %i, %s, blocks %i to %i", (block, ...expected) => {
    const [cycle, phase, firstBlock, lastBlock] = expected;
    expect(phaseAt(block, CONNITO_500)).toEqual({ block, cycle, phase, firstBlock, lastBlock });
  });

  test.each([
    [4, "distribute", 0, 4],
    [5, "train", 5, 34],
    [34, "train", 5, 34],
    [35, "minerCommit1", 35, 36],
    [37, "minerCommit2", 37, 39],
    [40, "submission", 40, 44],
    [44, "submission", 40, 44],
    [12_345, "train", 12_335, 12_364],
  ] as const)("in the published four-phase table: block %i is in %s, blocks %i to %i", (block, ...expected) => {
    const [phase, firstBlock, lastBlock] = expected;
    expect(phaseAt(block, SEED_45)).toMatchObject({ phase, firstBlock, lastBlock });
  });

  test("covers every block once, in order", () => {
    for (const schedule of [NINE_PHASE_45, SEED_45, CONNITO_500]) {
      let next = 0;
      while (next < 2 * cycleLength(schedule)) {
        const { firstBlock, lastBlock } = phaseAt(next, schedule);
        expect(firstBlock).toBe(next);
        next = lastBlock + 1;
      }
    }
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 60])("is refused for %d", (block) => {
    expect(() => phaseAt(block, NINE_PHASE_45)).toThrow(RangeError);
  });
});

describe("the window of a phase", () => {
  test("counts from block 0", () => {
    expect(phaseWindow(0, "submission", NINE_PHASE_45)).toEqual({ firstBlock: 31, lastBlock: 33 });
    expect(phaseWindow(1207, "submission", NINE_PHASE_45)).toEqual({ firstBlock: 54_346, lastBlock: 54_348 });
  });

  test("without blocks ends before it begins", () => {
    expect(phaseWindow(1, "merge", SEED_45)).toEqual({ firstBlock: 90, lastBlock: 89 });
  });
});

describe("the owner service's tables", () => {
  test("name the next window of each phase", () => {
    expect(blocksUntilNextPhase(54_321, NINE_PHASE_45)).toEqual({
      distribute: { firstBlock: 54_360, lastBlock: 54_364, blocksUntil: 39 },
      train: { firstBlock: 54_365, lastBlock: 54_384, blocksUntil: 44 },
      minerCommit1: { firstBlock: 54_340, lastBlock: 54_342, blocksUntil: 19 },
      minerCommit2: { firstBlock: 54_343, lastBlock: 54_345, blocksUntil: 22 },
      submission: { firstBlock: 54_346, lastBlock: 54_348, blocksUntil: 25 },
      validate: { firstBlock: 54_349, lastBlock: 54_351, blocksUntil: 28 },
      merge: { firstBlock: 54_352, lastBlock: 54_354, blocksUntil: 31 },
      validatorCommit1: { firstBlock: 54_355, lastBlock: 54_357, blocksUntil: 34 },
      validatorCommit2: { firstBlock: 54_358, lastBlock: 54_359, blocksUntil: 37 },
    });
  });

  test("name the running window exactly on its first block", () => {
    expect(blocksUntilNextPhase(54_320, NINE_PHASE_45).train).toEqual({
      firstBlock: 54_320,
      lastBlock: 54_339,
      blocksUntil: 0,
    });
  });

  test("report a running phase as previous", () => {
    expect(previousPhaseBlocks(54_321, NINE_PHASE_45)).toMatchObject({
      distribute: { firstBlock: 54_315, lastBlock: 54_319 },
      train: { firstBlock: 54_320, lastBlock: 54_339 },
      minerCommit1: { firstBlock: 54_295, lastBlock: 54_297 },
      submission: { firstBlock: 54_301, lastBlock: 54_303 },
    });
  });

  test("lag by one cycle on a phase's first block", () => {
    expect(previousPhaseBlocks(54_346, NINE_PHASE_45).submission).toEqual({ firstBlock: 54_301, lastBlock: 54_303 });
    expect(previousPhaseBlocks(54_347, NINE_PHASE_45).submission).toEqual({ firstBlock: 54_346, lastBlock: 54_348 });
  });
});

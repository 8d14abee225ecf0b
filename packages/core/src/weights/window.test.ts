import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { countWindows, isUpdatedSince, type Tempo, weightWindow } from "./window.ts";

const tempo: Tempo = { index: 7, firstBlock: 360, nextBlock: 720 };

describe("the permitted window of a tempo", () => {
  test.each([
    ["never set weights", 0, 100, 360],
    ["set them long ago", 10, 100, 360],
    ["set them just before", 350, 100, 450],
    ["was registered within it", 500, 100, 600],
    ["has no rate limit", 359, 0, 360],
    ["has exactly four blocks left", 616, 100, 716],
  ] as const)("of a neuron that %s", (_case, lastUpdate, rateLimit, firstBlock) => {
    expect(weightWindow(tempo, { lastUpdate, rateLimit })).toEqual({ tempo: 7, firstBlock, lastBlock: 719 });
  });

  test("is none when the rate limit leaves fewer than four blocks", () => {
    expect(weightWindow(tempo, { lastUpdate: 617, rateLimit: 100 })).toBeNull();
    expect(weightWindow(tempo, { lastUpdate: 359, rateLimit: 1_000 })).toBeNull();
  });

  test("begins with the first block that the chain's own rule takes, and lies in its tempo", () => {
    const rates = [fc.integer({ min: 0, max: 719 }), fc.integer({ min: 0, max: 400 })] as const;
    fc.assert(
      fc.property(...rates, (lastUpdate, rateLimit) => {
        const takes = (block: number) => lastUpdate === 0 || block - lastUpdate >= rateLimit;
        const taken = Array.from({ length: 360 }, (_, index) => 360 + index).filter(takes);
        // What was set later says nothing of the blocks before it.
        const open = taken.filter((block) => block >= lastUpdate);
        const window = weightWindow(tempo, { lastUpdate, rateLimit });
        if (window === null) return open.length < 4;
        return window.firstBlock === open[0] && window.lastBlock === 719;
      }),
    );
  });
});

test.each([
  [{ firstBlock: 360 }, 360, true],
  [{ firstBlock: 360 }, 359, false],
  [{ firstBlock: -3 }, 0, false],
  [{ firstBlock: 0 }, 1, true],
] as const)("since %o an update at block %i counts: %s", (since, lastUpdate, counts) => {
  expect(isUpdatedSince(since, lastUpdate)).toBe(counts);
});

describe("windows counted from the chain", () => {
  const tempos = [0, 1, 2, 3].map((index) => ({ index, firstBlock: 20 * index, nextBlock: 20 * index + 20 }));

  test("are well when each has one set", () => {
    expect(countWindows(tempos, [3, 22, 41, 60], 10)).toEqual({ permitted: 4, missed: [], doubled: [] });
  });

  test("name the tempos without one and those with two", () => {
    expect(countWindows(tempos, [3, 4, 41, 52], 10)).toEqual({ permitted: 4, missed: [1, 3], doubled: [0, 2] });
  });

  test("leave out a tempo that the rate limit closed", () => {
    expect(countWindows(tempos, [19, 40, 61], 20)).toEqual({ permitted: 3, missed: [], doubled: [] });
  });

  test("are permitted whenever the one before was used early enough", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 4, maxLength: 4 }), (offsets) => {
        const landed = offsets.map((offset, index) => 20 * index + Math.max(offset, 1));
        const { permitted, missed, doubled } = countWindows(tempos, landed, 10);
        return permitted === 4 && missed.length === 0 && doubled.length === 0;
      }),
    );
  });
});

import { describe, expect, test } from "vitest";
import vectors from "../../../testing/golden/vectors.json" with { type: "json" };
import { chooseBatches, intSeed, isSelected, selectionThreshold } from "./selection.ts";

const seed = "2b66942700232f77e6d9f7ccb0fbb490b55697f560bf78d41852bec643bf2ed2";

describe("the selection of a stream's elements", () => {
  test("has the reference's threshold", () => {
    expect(selectionThreshold(0.1).toString(16)).toBe(vectors.threshold);
  });

  test("keeps the reference's elements", () => {
    const threshold = selectionThreshold(0.1);
    const kept = Array.from({ length: 60 }, (_, i) => i).filter((i) => isSelected(i, seed, threshold));
    expect(kept).toEqual(vectors.selected);
  });

  test.each([0, -0.1, 1.1, Number.NaN])("refuses the fraction %d", (fraction) => {
    expect(() => selectionThreshold(fraction)).toThrow(RangeError);
  });

  test("interleaves by the seed's first eight digits", () => {
    expect(intSeed(seed)).toBe(vectors.int_seed);
    expect(intSeed(null)).toBe(42);
  });
});

describe("the choice of held-out sequences", () => {
  test("takes the lowest draws first", () => {
    // The reference keeps exactly these ten of sixty at one tenth of the draws, so they are the ten lowest.
    const chosen = chooseBatches({ sequences: 60, count: 10, seed });
    expect([...chosen].sort((a, b) => a - b)).toEqual(vectors.selected);
  });

  test("is a prefix of the choice of more", () => {
    const ten = chooseBatches({ sequences: 60, count: 10, seed });
    expect(chooseBatches({ sequences: 60, count: 20, seed }).slice(0, 10)).toEqual(ten);
  });

  test("is another under another seed", () => {
    const other = seed.replace("2b", "2c");
    expect(chooseBatches({ sequences: 60, count: 10, seed: other })).not.toEqual(
      chooseBatches({ sequences: 60, count: 10, seed }),
    );
  });

  test("is everything, each once, where less exists than is wanted", () => {
    const chosen = chooseBatches({ sequences: 7, count: 50, seed });
    expect([...chosen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(chooseBatches({ sequences: 0, count: 50, seed })).toEqual([]);
  });

  test("refuses numbers that count nothing", () => {
    expect(() => chooseBatches({ sequences: -1, count: 1, seed })).toThrow(RangeError);
    expect(() => chooseBatches({ sequences: 5, count: 0.5, seed })).toThrow(RangeError);
  });
});

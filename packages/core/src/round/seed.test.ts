import { describe, expect, test } from "vitest";
import vectors from "../../../testing/golden/vectors.json" with { type: "json" };
import { combinedSeed, roundSeed } from "./seed.ts";

describe("the combined seed", () => {
  test("joins the seeds in the order of the hotkeys", () => {
    const seeds = new Map([
      ["valB", 20],
      ["valA", 11],
      ["valC", 7],
    ]);
    expect(combinedSeed(seeds)).toBe(vectors.assign[0]);
    expect(combinedSeed(new Map([...seeds].reverse()))).toBe(vectors.assign[0]);
  });

  test("counts missing seeds as zeros", () => {
    expect(
      combinedSeed(
        new Map<string, number | bigint>([
          ["a", 0],
          ["b", 0],
          ["c", 0n],
        ]),
      ),
    ).toBe(vectors.sha000);
    expect(combinedSeed(new Map([["a", 0]]))).toBe(vectors.sha0);
  });

  test("without validators is that of one zero", () => {
    expect(combinedSeed(new Map())).toBe(vectors.sha0);
  });
});

describe("the seed of a round", () => {
  const combined = "2b66942700232f77e6d9f7ccb0fbb490b55697f560bf78d41852bec643bf2ed2";
  const blockHash = `0x${"0123456789abcdef".repeat(4)}`;

  test("is SHA-256 of both texts", () => {
    expect(roundSeed(combined, blockHash)).toBe("c47488ec94c36848a28e21f808799fb3cbde1ff7f0a1907c31de9f6ffade2da5");
  });

  test("does not depend on spelling", () => {
    expect(roundSeed(combined.toUpperCase(), blockHash.toUpperCase().replace("0X", "0x"))).toBe(
      roundSeed(combined, blockHash.slice(2)),
    );
  });

  test("changes with the block", () => {
    expect(roundSeed(combined, `0x${"00".repeat(32)}`)).not.toBe(roundSeed(combined, blockHash));
  });
});

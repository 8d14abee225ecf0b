import { describe, expect, test } from "vitest";
import vectors from "../../../testing/golden/vectors.json" with { type: "json" };
import { assignMiners } from "./assignment.ts";
import { combinedSeed } from "./seed.ts";

const seeds = new Map([
  ["valB", 20],
  ["valA", 11],
  ["valC", 7],
]);
const miners = ["m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"];
const facts = { seeds, miners, combinedSeed: combinedSeed(seeds) };

describe("the assignment of miners", () => {
  test("agrees with the reference", () => {
    expect(Object.fromEntries(assignMiners(facts))).toEqual(vectors.assign[1]);
    expect([...assignMiners(facts)]).toEqual([
      ["valB", ["m1", "m8", "m6"]],
      ["valA", ["m2", "m5", "m4"]],
      ["valC", ["m7", "m3"]],
    ]);
  });

  test("under a cap sends the overflow to the last choice", () => {
    expect(Object.fromEntries(assignMiners({ ...facts, cap: 2 }))).toEqual(vectors.assign_cap2[1]);
  });

  test("does not depend on the order of the miners", () => {
    expect(assignMiners({ ...facts, miners: [...miners].reverse() })).toEqual(assignMiners(facts));
  });

  test("gives every miner to exactly one validator, in shares that differ by at most one", () => {
    const many = Array.from({ length: 100 }, (_, i) => `miner${i}`);
    const shares = [...assignMiners({ ...facts, miners: many }).values()];
    expect(shares.flat().sort()).toEqual([...many].sort());
    expect(shares.map(({ length }) => length).sort()).toEqual([33, 33, 34]);
  });

  test("without validators or miners is empty", () => {
    expect(assignMiners({ ...facts, seeds: new Map() })).toEqual(new Map());
    expect(assignMiners({ ...facts, miners: [] }).get("valA")).toEqual([]);
  });
});

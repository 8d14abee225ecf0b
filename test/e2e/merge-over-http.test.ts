import { momentumDigest } from "@assay/checkpoint/merge/momentum-digest";
import { expect, test } from "vitest";
import { type MergingValidator, mergeAmong, openMergingValidators, servedBy } from "./merging-validators.ts";

test("three validators merge through their model servers and publish the same version", async () => {
  const validators = await openMergingValidators([0.5, 0.25, 0.125]);
  const ends = await mergeAmong(validators);
  expect(ends.map(({ result, synced, leftOut }) => [result, synced.length, leftOut])).toEqual([
    ["published", 3, []],
    ["published", 3, []],
    ["published", 3, []],
  ]);
  const [one, ...others] = await Promise.all(validators.map(servedBy));
  expect(one).toMatchObject({ version: 1 });
  for (const other of others) expect(other).toEqual(one);
  const [{ store }] = validators as [MergingValidator, ...MergingValidator[]];
  expect(one?.momentum).not.toBe(await momentumDigest(store.layout, 0, [0, 1]));
});

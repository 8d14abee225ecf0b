import { expect, test } from "vitest";
import { mortalityFor } from "./mortality.ts";

test.each([
  { finalized: 1000, deadline: 1003, birth: 1000, period: 4 },
  { finalized: 1000, deadline: 1002, birth: 999, period: 4 },
  { finalized: 1000, deadline: 1010, birth: 995, period: 16 },
  { finalized: 1000, deadline: 1255, birth: 1000, period: 256 },
])("an era that began by $finalized ends exactly with $deadline", ({ finalized, deadline, birth, period }) => {
  expect(mortalityFor(finalized, deadline)).toEqual({ birth, period, lastBlock: deadline });
});

test("a deadline beyond the longest era gets the longest era, from the final block", () => {
  expect(mortalityFor(1000, 5000)).toEqual({ birth: 1000, period: 256, lastBlock: 1255 });
});

test("a chain younger than the era gives one from its first block", () => {
  expect(mortalityFor(0, 5)).toEqual({ birth: 0, period: 8, lastBlock: 7 });
});

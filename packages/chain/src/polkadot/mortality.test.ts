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

test.each([
  { finalized: 0, deadline: 3, birth: 0, period: 4, lastBlock: 3 },
  { finalized: 0, deadline: 5, birth: 0, period: 4, lastBlock: 3 },
  { finalized: 0, deadline: 7, birth: 0, period: 8, lastBlock: 7 },
  { finalized: 1, deadline: 12, birth: 1, period: 8, lastBlock: 8 },
  { finalized: 3, deadline: 14, birth: 3, period: 8, lastBlock: 10 },
])("on a chain of $finalized final blocks no era outlasts a deadline of $deadline", (row) => {
  const { finalized, deadline, ...mortality } = row;
  expect(mortalityFor(finalized, deadline)).toEqual(mortality);
});

test("a deadline before block 3 is earlier than the shortest era's end", () => {
  expect(mortalityFor(0, 2)).toEqual({ birth: 0, period: 4, lastBlock: 3 });
});

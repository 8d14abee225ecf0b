import { expect, test } from "vitest";
import { slotsName, totalSlots } from "./worker-slots.ts";

test("slots are summed over the workers, and none are none", () => {
  expect(totalSlots([`assay:ZXZhbA==:w:${slotsName(2)}`, `assay:ZXZhbA==:w:${slotsName(12)}`])).toBe(14);
  expect(totalSlots([])).toBe(0);
});

test.each([
  ["a worker of another release", "assay:ZXZhbA==:w"],
  ["a Redis that does not list its clients", undefined],
])("%s makes the sum unknown", (_, name) => {
  expect(totalSlots([`assay:ZXZhbA==:w:${slotsName(2)}`, name])).toBe(null);
});

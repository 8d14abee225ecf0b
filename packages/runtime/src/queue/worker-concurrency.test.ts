import { expect, test } from "vitest";
import { concurrencyName, totalConcurrency } from "./worker-concurrency.ts";

test("concurrency is summed over the workers, and is 0 without any", () => {
  expect(totalConcurrency([`assay:ZXZhbA==:w:${concurrencyName(2)}`, `assay:ZXZhbA==:w:${concurrencyName(12)}`])).toBe(
    14,
  );
  expect(totalConcurrency([])).toBe(0);
});

test.each([
  ["a worker of another release", "assay:ZXZhbA==:w"],
  ["a Redis that does not list its clients", undefined],
])("%s makes the sum unknown", (_, name) => {
  expect(totalConcurrency([`assay:ZXZhbA==:w:${concurrencyName(2)}`, name])).toBe(null);
});

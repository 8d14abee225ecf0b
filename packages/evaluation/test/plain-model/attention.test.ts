import { expect, test } from "vitest";
import { attend } from "./attention.ts";

const one = (...values: readonly number[]) => values.map((value) => Float64Array.of(value));

test("weights values by the softmax of scaled scores", () => {
  // The second token scores 0 for the first and ln 3 for itself: weights 1/4 and 3/4.
  const head = { queries: one(5, Math.log(9)), keys: one(0, 1), values: one(4, 8) };

  const attended = attend(head, { scale: 0.5, window: null });

  expect(attended[0]?.[0]).toBe(4);
  expect(attended[1]?.[0]).toBeCloseTo(7, 12);
});

test("values may have another width than keys", () => {
  const values = [Float64Array.of(1, 2, 3), Float64Array.of(3, 2, 1)];

  const attended = attend({ queries: one(0, 0), keys: one(1, 1), values }, { scale: 1, window: null });

  expect(attended.map((value) => [...value])).toEqual([
    [1, 2, 3],
    [2, 2, 2],
  ]);
});

test.each([
  [1, [1, 2, 4, 8]],
  [2, [1, 1.5, 3, 6]],
  [null, [1, 1.5, 7 / 3, 3.75]],
])("a window of %s positions counts its own", (window, expected) => {
  const head = { queries: one(0, 0, 0, 0), keys: one(0, 0, 0, 0), values: one(1, 2, 4, 8) };

  const attended = attend(head, { scale: 1, window });

  for (const [position, value] of expected.entries()) expect(attended[position]?.[0]).toBeCloseTo(value, 12);
});

import { expect, test } from "vitest";
import { beyondNormBound } from "./norm-bound.ts";

test.each([
  [[1, 1, 100], 4, [2]],
  [[1, 1, 4], 4, []],
  [[1, 1, 4.001], 4, [2]],
  [[100, 1], 4, []],
  [[1, 2, 3, 50], 4, [3]],
  // Of 1, 2, 60 beside 50 the median is 2; of 1, 2, 50 beside 60 too.
  [[1, 2, 50, 60], 4, [2, 3]],
  [[0, 0, 1], 4, [2]],
  [[], 4, []],
])("of the norms %j, bound by %d medians, those at %j are beyond", (norms, bound, beyond) => {
  expect(
    beyondNormBound(
      norms.map((norm, key) => ({ key, norm })),
      bound,
    ),
  ).toEqual(beyond);
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { SquareSum, sumOfSquares } from "./square-sum.ts";

test("the sum of squares is exact where float64 is, and shows a value that is not finite", () => {
  expect(sumOfSquares(Float32Array.of(3, -4, 0.5))).toBe(25.25);
  expect(sumOfSquares(Float32Array.of(1, Number.NEGATIVE_INFINITY))).toBe(Number.POSITIVE_INFINITY);
  expect(sumOfSquares(Float32Array.of(0, 0, 0, 0, 0, Number.NaN))).toBeNaN();
  expect(sumOfSquares(new Float32Array(0))).toBe(0);
});

test("every fourth value is added up in order, then the four sums", () => {
  const values = Float32Array.from({ length: 1_003 }, (_, i) => Math.sin(i) * 10 ** (i % 9));
  const lanes = [0, 1, 2, 3].map((lane) =>
    values.filter((_, i) => i % 4 === lane).reduce((sum, value) => sum + value * value, 0),
  );
  expect(sumOfSquares(values)).toBe(lanes.reduce((total, sum) => total + sum, 0));
});

test("values in any pieces give the same bits", () => {
  const value = fc.float({ noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(fc.array(fc.array(value, { maxLength: 11 }), { maxLength: 9 }), (pieces) => {
      const sum = new SquareSum();
      for (const piece of pieces) sum.add(Float32Array.from(piece));
      expect(sum.total).toBe(sumOfSquares(Float32Array.from(pieces.flat())));
    }),
  );
});

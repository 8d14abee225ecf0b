import { expect, test } from "vitest";
import { narrow, widenInPlace } from "./widen.ts";

function widen(dtype: "BF16" | "F16", patterns: readonly number[]): Float32Array {
  const values = new Float32Array(patterns.length);
  new Uint16Array(values.buffer, patterns.length * 2).set(patterns);
  widenInPlace(dtype, values);
  return values;
}

function patternsOf(bytes: Uint8Array): readonly number[] {
  return [...new Uint16Array(bytes.buffer)];
}

test("bfloat16 is widened exactly", () => {
  expect([...widen("BF16", [0x3f80, 0xc000, 0x0001, 0x7f80, 0x8000])]).toEqual([
    1,
    -2,
    2 ** -133,
    Number.POSITIVE_INFINITY,
    -0,
  ]);
});

test("float16 is widened exactly, subnormals too", () => {
  expect([...widen("F16", [0x3c00, 0xc000, 0x7bff, 0x0400, 0x03ff, 0x0001, 0xfc00, 0x8000])]).toEqual([
    1,
    -2,
    65504,
    2 ** -14,
    1023 * 2 ** -24,
    2 ** -24,
    Number.NEGATIVE_INFINITY,
    -0,
  ]);
});

test.each(["BF16", "F16"] as const)("every finite %s survives widening and narrowing", (dtype) => {
  const exponent = dtype === "BF16" ? 0x7f80 : 0x7c00;
  const finite = Array.from({ length: 1 << 16 }, (_, pattern) => pattern).filter((p) => (p & exponent) !== exponent);
  expect(patternsOf(narrow(dtype, widen(dtype, finite)))).toEqual(finite);
});

test("bfloat16 rounds to nearest, ties to even, and overflows to infinity", () => {
  const values = Float32Array.from([1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, 3.4e38, Number.NaN]);
  expect(patternsOf(narrow("BF16", values))).toEqual([0x3f80, 0x3f82, 0x3f81, 0x7f80, 0x7fc0]);
});

test("float16 rounds to nearest, ties to even, and overflows to infinity", () => {
  const values = Float32Array.from([
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
    65519,
    65520,
    2 ** -25,
    3 * 2 ** -26,
    1e-9,
    -70000,
  ]);
  expect(patternsOf(narrow("F16", values))).toEqual([0x3c00, 0x3c02, 0x7bff, 0x7c00, 0, 1, 0, 0xfc00]);
});

test("float32 is handed on as it is", () => {
  const values = Float32Array.from([1.5]);
  expect(narrow("F32", values).buffer).toBe(values.buffer);
});

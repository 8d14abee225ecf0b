import { describe, expect, test } from "vitest";
import type { Dtype } from "./dtype.ts";
import { firstNonFinite } from "./finite.ts";

const INFINITE: Readonly<Record<string, readonly number[]>> = {
  F32: [0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff],
  BF16: [0x7f80, 0xff80, 0x7fc0, 0xffff],
  F16: [0x7c00, 0xfc00, 0x7e00, 0xffff],
};
const FINITE: Readonly<Record<string, readonly number[]>> = {
  F32: [0, 0x80000000, 0x7f7fffff, 0xff7fffff, 1],
  BF16: [0, 0x8000, 0x7f7f, 0xff7f, 1],
  F16: [0, 0x8000, 0x7bff, 0xfbff, 1],
};

function encode(dtype: Dtype, patterns: readonly number[]): Uint8Array {
  const array = dtype === "F32" ? Uint32Array.from(patterns) : Uint16Array.from(patterns);
  return new Uint8Array(array.buffer);
}

describe.each(["F32", "BF16", "F16"] as const)("in %s", (dtype) => {
  test("the largest, the smallest and zero are finite", () => {
    expect(firstNonFinite(dtype, encode(dtype, FINITE[dtype] ?? []))).toBe(-1);
  });

  test("every infinity and NaN is found at its place", () => {
    for (const pattern of INFINITE[dtype] ?? []) {
      for (let index = 0; index < 7; index += 1) {
        const values = new Array<number>(7).fill((FINITE[dtype] ?? [])[3] ?? 0);
        values[index] = pattern;
        expect(firstNonFinite(dtype, encode(dtype, values))).toBe(index);
      }
    }
  });

  test("it is found far behind many finite values", () => {
    const values = new Array<number>(100_003).fill((FINITE[dtype] ?? [])[2] ?? 0);
    values[100_001] = (INFINITE[dtype] ?? [])[0] ?? 0;
    expect(firstNonFinite(dtype, encode(dtype, values))).toBe(100_001);
  });
});

test("bytes that are not aligned are scanned too", () => {
  const bytes = new Uint8Array(13);
  new DataView(bytes.buffer).setFloat32(9, Number.NaN, true);
  expect(firstNonFinite("F32", bytes.subarray(1))).toBe(2);
});

test("in F64 only the upper word counts", () => {
  const values = new Float64Array([1, Number.MAX_VALUE, Number.NEGATIVE_INFINITY]);
  expect(firstNonFinite("F64", new Uint8Array(values.buffer))).toBe(2);
  const patterns = new BigUint64Array([0x3ff00000_7ff00000n]);
  expect(firstNonFinite("F64", new Uint8Array(patterns.buffer))).toBe(-1);
});

test("integers are always finite", () => {
  expect(firstNonFinite("I32", new Uint8Array(8).fill(0xff))).toBe(-1);
});

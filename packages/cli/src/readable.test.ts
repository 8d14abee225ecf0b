import { expect, test } from "vitest";
import { readableBytes, readableCount, readableSeconds, readableTao, table } from "./readable.ts";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [61_066_567_680, "61.1 GB"],
  [5e15, "5000.0 TB"],
])("%i bytes are %s", (bytes, text) => {
  expect(readableBytes(bytes)).toBe(text);
});

test.each([
  [41, "41"],
  [41_400, "41.4 thousand"],
  [30_532_122_624, "30.5 billion"],
])("%i parameters are %s", (count, text) => {
  expect(readableCount(count)).toBe(text);
});

test.each([
  [0.0123, "12 ms"],
  [0.5, "500 ms"],
  [6.14, "6.1 s"],
  [725, "12 min"],
  [12_345, "3.4 h"],
])("%d seconds are %s", (seconds, text) => {
  expect(readableSeconds(seconds)).toBe(text);
});

test.each([
  [0n, "0"],
  [1_500_000_000n, "1.5"],
  [1_234_567_000_000_000n, "1,234,567"],
])("%s rao are %s", (rao, text) => {
  expect(readableTao(rao)).toBe(text);
});

test("columns are as wide as their widest cell", () => {
  expect(
    table([
      ["a", "bbb", "c"],
      ["aa", "b", ""],
    ]),
  ).toBe("  a   bbb  c\n  aa  b\n");
});

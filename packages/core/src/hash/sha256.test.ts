import { describe, expect, test } from "vitest";
import vectors from "../../../testing/golden/vectors.json" with { type: "json" };
import { h256, h256Hex, sha256Hex, sha256HexOfText } from "./sha256.ts";

describe("the keyed draw", () => {
  test("orders miners as the reference does", () => {
    expect(h256Hex("miner_order", "5Miner1", "abcd")).toBe(vectors.h256_miner_order);
  });

  test("orders preferences as the reference does, numbers in decimal", () => {
    expect(h256Hex("preference", "m1", 7, "abcd")).toBe(vectors.h256_preference);
    expect(h256Hex("preference", "m1", 7n, "abcd")).toBe(vectors.h256_preference);
  });

  test("is a big-endian number", () => {
    expect(h256("miner_order", "5Miner1", "abcd")).toBe(BigInt(`0x${vectors.h256_miner_order}`));
  });

  test("keeps its parts apart", () => {
    expect(h256Hex("ab", "c")).not.toBe(h256Hex("a", "bc"));
  });
});

test("SHA-256 of text and bytes agree with the reference", () => {
  expect(sha256HexOfText("000")).toBe(vectors.sha000);
  expect(sha256HexOfText("0")).toBe(vectors.sha0);
  expect(sha256Hex(new Uint8Array())).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

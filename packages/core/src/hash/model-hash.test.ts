import { describe, expect, test } from "vitest";
import vectors from "../../../testing/golden/vectors.json" with { type: "json" };
import { compareCodePoints } from "./code-point-order.ts";
import { ModelHash, modelHash } from "./model-hash.ts";

const first = "model.layers.0.mlp.experts.3.w.weight";
const second = "model.layers.1.mlp.experts.0.w.weight";
const tensors = new Map([
  [second, bytesOf([1, -2, 0.5, 0])],
  [first, bytesOf([3.25, -0.125])],
]);

describe("the hash over tensors", () => {
  test("agrees with the reference, whatever order the tensors come in", () => {
    const [streamBytes, expected] = vectors.model_hash;
    const lengths = [...tensors].map(([name, bytes]) => name.length + bytes.length);
    expect(lengths.reduce((a, b) => a + b)).toBe(streamBytes);
    expect(modelHash(tensors)).toBe(expected);
  });

  test("is the same fed in pieces", () => {
    const hash = new ModelHash();
    hash.beginTensor(first);
    hash.update(bytesOf([3.25]));
    hash.update(bytesOf([-0.125]));
    hash.beginTensor(second);
    for (const value of [1, -2, 0.5, 0]) hash.update(bytesOf([value]));
    expect(hash.digestHex()).toBe("ba4bf00f21f929f4a70b88db55209c633fa97b0de494572e");
  });

  test("refuses tensors out of order, twice, or none", () => {
    expect(() => new ModelHash().update(new Uint8Array(4))).toThrow(RangeError);
    const hash = new ModelHash();
    hash.beginTensor("b");
    expect(() => hash.beginTensor("b")).toThrow("does not come after");
    expect(() => hash.beginTensor("a")).toThrow("does not come after");
  });
});

test("names are ordered by code point, not by UTF-16 unit", () => {
  const privateUse = "\u{E000}";
  const emoji = "\u{1F600}";
  expect(compareCodePoints(privateUse, emoji)).toBeLessThan(0);
  expect(privateUse < emoji).toBe(false);
  expect(compareCodePoints("a", "ab")).toBeLessThan(0);
  expect(compareCodePoints("ab", "a")).toBeGreaterThan(0);
  expect(compareCodePoints("", "")).toBe(0);
  expect(compareCodePoints("layers.10", "layers.9")).toBeLessThan(0);
});

function bytesOf(values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, i) => {
    view.setFloat32(i * 4, value, true);
  });
  return new Uint8Array(view.buffer);
}

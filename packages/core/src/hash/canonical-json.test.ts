import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalDigest, canonicalJson, type Json } from "./canonical-json.ts";

test("keys are ordered by code point, at every depth, and nothing is spaced out", () => {
  expect(canonicalJson({ b: [1, { z: null, a: "ü" }], a: true, "\u{1F600}": 1, "\u{E000}": 2 })).toBe(
    '{"a":true,"b":[1,{"a":"ü","z":null}],"\u{E000}":2,"\u{1F600}":1}',
  );
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])("%d has no spelling", (value) => {
  expect(() => canonicalJson({ value })).toThrow("finite");
});

test("any value survives the round trip, and its spelling is a fixed point", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
      const text = canonicalJson(value as Json);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(canonicalJson(JSON.parse(text))).toBe(text);
    }),
  );
});

test("the digest does not depend on the order in which keys were written", () => {
  expect(canonicalDigest({ a: 1, b: 2 })).toBe(canonicalDigest({ b: 2, a: 1 }));
  expect(canonicalDigest({ a: 1 })).toBe("015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");
});

import { expect, test } from "vitest";
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";

test("a signature of 64 bytes becomes 86 characters without padding", () => {
  const text = encodeBase64Url(new Uint8Array(64).fill(0xfb));
  expect(text).toHaveLength(86);
  expect(text).toMatch(/^-_v7-_v7/);
});

test.each(["", "AA", "AAA", "-_-_", "AA==", "AAA="])("%j is taken with or without padding", (text) => {
  const bytes = decodeBase64Url(text);
  expect(bytes).not.toBeNull();
  expect(encodeBase64Url(bytes ?? new Uint8Array())).toBe(text.replaceAll("=", ""));
});

test.each(["A", "AB", "A=", "AA=", "AAAA=", "====", "a b", "+/+/", "AAAAA", "AA==AA==", "ä"])(
  "%j is not URL-safe Base64 in its canonical form",
  (text) => {
    expect(decodeBase64Url(text)).toBeNull();
  },
);

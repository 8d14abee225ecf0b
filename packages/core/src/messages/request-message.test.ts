import { expect, test } from "vitest";
import { sha256Hex } from "../hash/sha256.ts";
import { nonceText } from "./fields.ts";
import { requestMessageBytes } from "./request-message.ts";

const hotkey = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const message = {
  method: "GET",
  path: "/model/full?version=3",
  bodySha256: sha256Hex(new Uint8Array()),
  hotkey,
  blockNumber: 77,
  nonce: "n0nce-_42",
};

test("the bytes of a signed request are seven lines", () => {
  expect(new TextDecoder().decode(requestMessageBytes(message))).toBe(
    [
      "bz-request-v1",
      "GET",
      "/model/full?version=3",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      hotkey,
      "77",
      "n0nce-_42",
    ].join("\n"),
  );
});

test("a request for one validator has its hotkey as eighth line, in a format of its own", () => {
  const target = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";
  expect(new TextDecoder().decode(requestMessageBytes({ ...message, target })).split("\n")).toEqual([
    "bz-request-v2",
    "GET",
    "/model/full?version=3",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    hotkey,
    "77",
    "n0nce-_42",
    target,
  ]);
});

test("a line break in any text is refused", () => {
  expect(() => requestMessageBytes({ ...message, path: "/a\nb" })).toThrow(RangeError);
  expect(() => requestMessageBytes({ ...message, nonce: "x\ny" })).toThrow(RangeError);
});

test("a nonce has a bounded form", () => {
  expect(nonceText.safeParse("n0nce-_42").success).toBe(true);
  expect(nonceText.safeParse("short").success).toBe(false);
  expect(nonceText.safeParse("x".repeat(65)).success).toBe(false);
});

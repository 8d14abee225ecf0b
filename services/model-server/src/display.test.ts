import { expect, test } from "vitest";
import { displayBytes, displaySeconds, shortHotkey } from "./display.ts";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1_000, "1.0 KB"],
  [7_200_000_000, "7.2 GB"],
  [61_440_000_000_000, "61.4 TB"],
])("%i bytes are shown as %s", (bytes, shown) => {
  expect(displayBytes(bytes)).toBe(shown);
});

test("times have one digit, hotkeys five characters", () => {
  expect(displaySeconds(12_345)).toBe("12.3s");
  expect(shortHotkey("5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty")).toBe("5FHne...");
});

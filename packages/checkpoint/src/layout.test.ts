import { expect, test } from "vitest";
import { CheckpointLayout } from "./layout.ts";

const layout = new CheckpointLayout("/c");

test("every path lies where the other processes look for it", () => {
  expect(layout.object("ab12")).toBe("/c/objects/ab12");
  expect(layout.manifest(7)).toBe("/c/versions/7/manifest.json");
  expect(layout.versionGroup(7, 2)).toBe("/c/versions/7/group-2.safetensors");
  expect(layout.submission(80, "5Abc")).toBe("/c/submissions/80/5Abc.safetensors");
  expect(layout.submissionRelative(80, "5Abc")).toBe("submissions/80/5Abc.safetensors");
  expect(layout.chainView).toBe("/c/state/chain-view.json");
  expect(layout.inbox).toBe("/c/inbox");
  expect(new CheckpointLayout("/c", { inbox: "/i" }).inbox).toBe("/i");
});

test.each(["../5Abc", "", "5Abc/x", "5Abc\0", ".hidden", "é"])("a hotkey %j never becomes part of a path", (hotkey) => {
  expect(() => layout.submission(80, hotkey)).toThrow(RangeError);
});

test.each([-1, 1.5, Number.NaN, 2 ** 53])("a round %d never becomes part of a path", (round) => {
  expect(() => layout.submission(round, "5Abc")).toThrow(RangeError);
});

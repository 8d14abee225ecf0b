import { expect, test } from "vitest";
import { CheckpointLayout } from "./layout.ts";

const layout = new CheckpointLayout("/c");

test("every path lies where the other processes look for it", () => {
  expect(layout.object("ab12")).toBe("/c/objects/ab12");
  expect(layout.manifest(7)).toBe("/c/versions/7/manifest.json");
  expect(layout.momentum(7, 2)).toBe("/c/state/momentum/7/group-2.safetensors");
  expect(layout.submission(80, "ab12")).toBe("/c/submissions/80/ab12.safetensors");
  expect(layout.submissionRelative(80, "ab12")).toBe("submissions/80/ab12.safetensors");
  expect(layout.chainView).toBe("/c/state/chain-view.json");
  expect(layout.inbox).toBe("/c/inbox");
  expect(new CheckpointLayout("/c", { inbox: "/i" }).inbox).toBe("/i");
});

test.each(["../ab12", "", "ab12/x", "ab12\0", ".hidden", "é"])("a digest %j never becomes part of a path", (digest) => {
  expect(() => layout.submission(80, digest)).toThrow(RangeError);
});

test.each([-1, 1.5, Number.NaN, 2 ** 53])("a round %d never becomes part of a path", (round) => {
  expect(() => layout.submission(round, "ab12")).toThrow(RangeError);
});

import { NINE_PHASE_45, SEED_45 } from "@assay/core/cycle/phase";
import { expect, test } from "vitest";
import { cycleWindows } from "./cycle-windows.ts";

test("with a merge phase of its own the merge begins and ends with it", () => {
  expect(cycleWindows(2, NINE_PHASE_45)).toEqual({
    submissionFirst: 121,
    submissionLast: 123,
    mergeFirst: 127,
    mergeLast: 129,
    mergeGivenUpAfter: 139,
  });
});

test("with the four-phase table the merge has the first blocks of the next cycle", () => {
  expect(cycleWindows(0, SEED_45)).toEqual({
    submissionFirst: 40,
    submissionLast: 44,
    mergeFirst: 45,
    mergeLast: 48,
    mergeGivenUpAfter: 49,
  });
});

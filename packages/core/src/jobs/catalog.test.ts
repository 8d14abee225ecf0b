import { expect, test } from "vitest";
import { downloadJobId, evaluationJobId, repairIntentId, weightJobId } from "./catalog.ts";

test("ids of jobs are the same for the same work and never digits alone", () => {
  expect(downloadJobId(54_346, 17)).toBe("download-54346-17");
  expect(evaluationJobId(54_346, 17)).toBe("evaluation-54346-17");
  expect(evaluationJobId(54_346, 17, 0)).toBe("evaluation-54346-17-0");
  expect(weightJobId("54346")).toBe("weights-54346");
});

test("repairs of an intent are counted", () => {
  expect(repairIntentId("2-31")).toBe("2-31-r1");
  expect(repairIntentId("2-31-r1")).toBe("2-31-r2");
  expect(repairIntentId("2-31-r9")).toBe("2-31-r10");
});

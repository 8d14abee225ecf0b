import { expect, test } from "vitest";
import { downloadJobId, evaluationJobId, weightIntentId, weightJobId } from "./catalog.ts";

test("ids of jobs are the same for the same work and never digits alone", () => {
  expect(downloadJobId(54_346, 17)).toBe("download-54346-17");
  expect(evaluationJobId(54_346, 17)).toBe("evaluation-54346-17");
  expect(evaluationJobId(54_346, 17, 0)).toBe("evaluation-54346-17-0");
  expect(weightJobId("54346")).toBe("weights-54346");
});

test("the id of a weight intent says which window it is for, and which attempt it is", () => {
  expect(weightIntentId({ netuid: 2, mechanism: 0, tempo: 17, attempt: 0 })).toBe("2-0-17");
  expect(weightIntentId({ netuid: 2, mechanism: 0, tempo: 17, attempt: 2 })).toBe("2-0-17-r2");
});

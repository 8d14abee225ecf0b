import { NINE_PHASE_45 } from "@assay/core/cycle/phase";
import type { Network } from "@assay/core/network";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { createEvaluatorMetrics } from "../metrics.ts";
import { PhaseLogDuty } from "./phase-log-duty.ts";

const network: Network = {
  name: "test",
  blockMillis: 12_000,
  schedule: NINE_PHASE_45,
  expertGroups: 1,
  evaluation: { sequences: 1, sequenceLength: 1, policy: "relative_reduction" },
  merge: { outerLearningRate: 0.7, outerMomentum: 0.9, topSubmissions: 1, normBound: 4 },
};

test("each phase is said once, also after a gap, and how late it was noticed is measured but for the first", async () => {
  const logger = createMemoryLogger();
  const metrics = createEvaluatorMetrics(new Registry());
  const duty = new PhaseLogDuty({ metrics, logger }, network);
  for (const number of [20, 21, 25, 33, 33]) await duty.run({ number, hash: "0x" });
  expect(logger.lines()).toEqual([
    "[INFO] Current block: 20, phase: TRAIN | cycle: 0 | blocks: 5-24",
    "[INFO] Current block: 25, phase: MINERCOMMIT1 | cycle: 0 | blocks: 25-27",
    "[INFO] Current block: 33, phase: SUBMISSION | cycle: 0 | blocks: 31-33",
  ]);
  const lateness = (await metrics.phaseLateness.get()).values;
  const value = (name: string) => lateness.find((each) => each.metricName?.endsWith(name))?.value;
  expect([value("_count"), value("_sum")]).toEqual([2, 24]);
  expect((await metrics.phase.get()).values[0]?.value).toBe(4);
});

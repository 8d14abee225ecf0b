import { CPU, type Device, type DeviceChoice, deviceName } from "@assay/evaluation/devices/device";
import type { ProbeReport } from "@assay/evaluation/devices/probe";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { measuredLosses } from "@assay/testing/builders/measured-losses";
import { FakeEvaluator } from "@assay/testing/fake/fake-evaluator";
import { expect, test } from "vitest";
import { PlacedEvaluators } from "./placed-evaluators.ts";

const never = new AbortController().signal;
const cuda = (index: number): Device => ({ kind: "cuda", index });
const report = (device: Device, why: string | null = null): ProbeReport => ({ device, why, millis: 7 });

function place(devices: DeviceChoice, workers: number, found: readonly ProbeReport[]) {
  const logger = createMemoryLogger();
  const created: string[] = [];
  const create = (device: Device) => {
    created.push(deviceName(device));
    return new FakeEvaluator(async () => ({ kind: "measured", ...measuredLosses(4, 3) }));
  };
  const evaluators = new PlacedEvaluators({ probe: async () => found, create, logger }, { devices, workers });
  return { evaluators, created, logger };
}

test("every GPU that is found gets an evaluator, and the log says of each device what was found", async () => {
  const found = [report(CPU), report(cuda(0)), report(cuda(1)), report({ kind: "webgpu", index: 0 }, "no adapter")];
  const { evaluators, created, logger } = place("auto", 0, found);
  expect(evaluators.size).toBe(0);
  await evaluators.start(never);
  expect([evaluators.size, created]).toEqual([2, ["cuda:0", "cuda:1"]]);
  expect(logger.lines().map((line) => line.replace(/^.*?\[/, "["))).toEqual([
    "[INFO] Device available | device: cpu | ms: 7",
    "[INFO] Device available | device: cuda:0 | ms: 7",
    "[INFO] Device available | device: cuda:1 | ms: 7",
    "[INFO] Device unavailable | device: webgpu:0 | ms: 7 | why: no adapter",
    "[INFO] Placed evaluators | devices: cuda:0 cuda:1",
  ]);
});

test("a device that was named and is not there stops the start; nothing runs elsewhere", async () => {
  const { evaluators, created } = place([cuda(0)], 0, [report(CPU), report(cuda(0), "no driver")]);
  await expect(evaluators.start(never)).rejects.toMatchObject({
    code: "EVALUATION_DEVICE_UNAVAILABLE",
    fields: { device: "cuda:0", why: "no driver" },
  });
  expect([evaluators.size, created]).toEqual([0, []]);
});

import { fileURLToPath } from "node:url";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { createEvaluatorFixture, evaluatorContract, expectMeasured } from "@assay/testing/contracts/evaluator-contract";
import { describe, expect, onTestFinished, test } from "vitest";
import { ChildEvaluator } from "../src/child-evaluator.ts";
import { type Device, deviceName } from "../src/devices/device.ts";
import { probeDevices } from "../src/devices/probe.ts";
import type { Evaluator, EvaluatorOptions } from "../src/evaluator.ts";
import { StdioEvaluator } from "../src/stdio/stdio-evaluator.ts";

const NEVER = new AbortController().signal;
const logger = createMemoryLogger();
const ENTRY = fileURLToPath(new URL("../src/stdio/entry.ts", import.meta.url));
const command = [process.execPath, "--conditions=source", ENTRY, "--device={device}"];

const reports = await probeDevices({ logger }, {}, NEVER);

for (const { device, why } of reports.filter((report) => report.device.kind !== "cpu")) {
  const name = deviceName(device);
  if (why !== null) process.stderr.write(`Evaluators on ${name} are skipped: ${why}\n`);
  describe.skipIf(why !== null)(name, { tags: ["gpu"] }, () => evaluatorsOn(device));
}

function evaluatorsOn(device: Device): void {
  const child = (options: EvaluatorOptions) => new ChildEvaluator({ logger }, { ...options, device });
  const stdio = (options: EvaluatorOptions) => new StdioEvaluator({ logger }, { ...options, device, command });

  evaluatorContract("ChildEvaluator", child, stdio);

  test("losses are those of the CPU within the band", async () => {
    const fixture = await createEvaluatorFixture();
    onTestFinished(() => fixture.remove());
    const request = await fixture.request(1);
    const measure = async (evaluator: Evaluator) => {
      onTestFinished(() => evaluator.stop());
      await evaluator.start(NEVER);
      return expectMeasured(await evaluator.evaluate(request, NEVER));
    };
    const here = await measure(child(fixture.options));
    const onCpu = await measure(new ChildEvaluator({ logger }, fixture.options));

    expect(Math.abs(here.lossBefore - onCpu.lossBefore)).toBeLessThan(onCpu.band);
    expect(Math.abs(here.lossAfter - onCpu.lossAfter)).toBeLessThan(onCpu.band);
  });
}

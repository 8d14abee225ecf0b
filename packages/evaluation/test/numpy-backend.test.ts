import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { createEvaluatorFixture, expectMeasured } from "@assay/testing/contracts/evaluator-contract";
import { changedTensors } from "@assay/testing/model/tiny-model";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Evaluator } from "../src/evaluator.ts";
import { InProcessEvaluator } from "../src/in-process-evaluator.ts";
import { StdioEvaluator } from "../src/stdio/stdio-evaluator.ts";

const NEVER = new AbortController().signal;
const EXAMPLE = fileURLToPath(new URL("../examples/numpy_backend.py", import.meta.url));
const command = ["python3", EXAMPLE];
const logger = createMemoryLogger();

const missing = whyNoNumpy();
if (missing !== null) process.stderr.write(`The backend in Python is skipped: ${missing}\n`);

describe.skipIf(missing !== null)("the backend in Python", () => {
  test("gives our engine's losses, with and without a submission", async () => {
    const fixture = await createEvaluatorFixture();
    onTestFinished(() => fixture.remove());
    const started = async (evaluator: Evaluator) => {
      onTestFinished(() => evaluator.stop());
      await evaluator.start(NEVER);
      return evaluator;
    };
    const python = await started(new StdioEvaluator({ logger }, { ...fixture.options, command }));
    const ours = await started(new InProcessEvaluator({ logger }, fixture.options));
    const halved = changedTensors(fixture.tensors, (name, values) =>
      name.includes("down_proj") ? values.map((value) => value / 2) : null,
    );
    const request = await fixture.request(1, halved);
    const theirs = expectMeasured(await python.evaluate(request, NEVER));
    const expected = expectMeasured(await ours.evaluate(request, NEVER));

    expect(Math.abs(theirs.lossBefore - expected.lossBefore)).toBeLessThan(1e-5);
    expect(Math.abs(theirs.lossAfter - expected.lossAfter)).toBeLessThan(1e-5);
    expect(Math.abs(theirs.lossAfter - theirs.lossBefore)).toBeGreaterThan(1e-3);

    const foreign = { ...request, group: 0 };
    await expect(python.evaluate(foreign, NEVER)).rejects.toMatchObject({ code: "EVALUATION_SUBMISSION_CHANGED" });
  });
});

function whyNoNumpy(): string | null {
  try {
    execFileSync("python3", ["-c", "import numpy"], { stdio: ["ignore", "ignore", "pipe"] });
    return null;
  } catch (error) {
    const [last = ""] = String(error instanceof Error ? error.message : error)
      .trim()
      .split("\n")
      .slice(-1);
    return last;
  }
}

import { execFile, execFileSync } from "node:child_process";
import { readdirSync, readlinkSync, truncateSync } from "node:fs";
import { cp, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import {
  createEvaluatorFixture,
  type EvaluatorFixture,
  expectMeasured,
} from "@assay/testing/contracts/evaluator-contract";
import { randomTensors, TINY_CONFIG, writeSubmission, writeVersion } from "@assay/testing/model/tiny-model";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ChildEvaluator } from "../src/child-evaluator.ts";
import type { EvaluationRequest, EvaluatorOptions } from "../src/evaluator.ts";

const NEVER = new AbortController().signal;
const MIB = 1024 * 1024;
/** Two groups of 48 MiB, and with `MANY_ROWS` activations of 200 MiB each. */
const WIDE = { ...TINY_CONFIG, expertIntermediateSize: 32_768 };
/** For a child that only runs when nothing else does. */
const SLOW_MILLIS = 120_000;
const MANY_ROWS = { batchSize: 64, sequences: 64, sequenceLength: 64 };

describe("what fails while one submission is measured costs only that attempt", () => {
  let fixture: EvaluatorFixture;
  let wide: EvaluationRequest;
  const evaluators: ChildEvaluator[] = [];

  beforeAll(async () => {
    fixture = await createEvaluatorFixture();
    const tensors = randomTensors({ config: WIDE });
    const directory = await writeVersion(join(fixture.directory, "wide"), { config: WIDE, groups: 2, tensors });
    const path = join(fixture.directory, "wide.safetensors");
    const submission = await writeSubmission(path, { config: WIDE, groups: 2, group: 0, tensors });
    wide = { base: { directory, version: 0 }, group: 0, submission, seed: "5eed" };
  });
  afterEach(async () => {
    await Promise.all(evaluators.splice(0).map((evaluator) => evaluator.stop()));
  });
  afterAll(() => fixture.remove());

  async function start(options: Partial<EvaluatorOptions> = {}): Promise<ChildEvaluator> {
    const evaluator = new ChildEvaluator({ logger: createMemoryLogger() }, { ...fixture.options, ...options });
    evaluators.push(evaluator);
    await evaluator.start(NEVER);
    return evaluator;
  }

  test("a child that needs more memory than its limit is killed", async () => {
    const evaluator = await start({ ...MANY_ROWS, memoryLimitMiB: 350 });
    const killed = evaluator.pid;

    await expect(evaluator.evaluate(wide, NEVER)).rejects.toMatchObject({
      code: "CHILD_MEMORY",
      retryable: true,
      fields: { child: "evaluation", limitMiB: 350 },
    });
    expectMeasured(await evaluator.evaluate(await fixture.request(0), NEVER));
    expect(evaluator.pid).not.toBe(killed);
  });

  test("a native allocation that fails may be tried again", async () => {
    const evaluator = await start(MANY_ROWS);
    const request = await fixture.request(0);
    await evaluator.evaluate(request, NEVER);
    await leaveRoom(evaluator, 250);

    await expect(evaluator.evaluate(wide, NEVER)).rejects.toMatchObject({
      code: "EVALUATION_ENGINE_FAILED",
      retryable: true,
      fields: { reason: expect.stringMatching(/allocat/i) },
    });
    expectMeasured(await evaluator.evaluate(request, NEVER));
  });

  test("a model that does not fit may be tried again", async () => {
    const evaluator = await start();
    const request = await fixture.request(0);
    await evaluator.evaluate(request, NEVER);
    await leaveRoom(evaluator, 44);

    await expect(evaluator.evaluate(wide, NEVER)).rejects.toMatchObject({
      code: "EVALUATION_ENGINE_FAILED",
      message: "Memory for tensors could not be had",
      retryable: true,
    });
    expectMeasured(await evaluator.evaluate(request, NEVER));
  });

  test.each([
    ["header", 20],
    ["values", 2_000],
  ])("a submission cut in its %s after it was accepted", async (_part, bytes) => {
    const evaluator = await start();
    const request = await fixture.request(0);
    await truncate(request.submission.path, bytes);

    await expect(evaluator.evaluate(request, NEVER)).rejects.toMatchObject({ code: "EVALUATION_SUBMISSION_CHANGED" });
    expectMeasured(await evaluator.evaluate(await fixture.request(0), NEVER));
  });

  test("a submission cut while it is read", { timeout: SLOW_MILLIS }, async () => {
    const evaluator = await start({ timeoutMillis: SLOW_MILLIS });
    await evaluator.evaluate(wide, NEVER);
    const path = join(fixture.directory, "cut.safetensors");
    await cp(wide.submission.path, path);
    const cut = evaluator.evaluate({ ...wide, submission: { ...wide.submission, path } }, NEVER);
    const failed = expect(cut).rejects.toMatchObject({ code: "EVALUATION_SUBMISSION_CHANGED" });

    await Promise.race([cutWhileOpen(evaluator, path), failed]);
    await failed;
    expectMeasured(await evaluator.evaluate(await fixture.request(0), NEVER));
  });

  test("a submission that was cut and is read ahead of its turn", async () => {
    const evaluator = await start();
    const [now, next] = [await fixture.request(0), await fixture.request(1)];
    await evaluator.evaluate(await fixture.request(0), NEVER);
    await truncate(next.submission.path, 2_000);
    evaluator.prepare(next);

    expectMeasured(await evaluator.evaluate(now, NEVER));
    await expect(evaluator.evaluate(next, NEVER)).rejects.toMatchObject({ code: "EVALUATION_SUBMISSION_CHANGED" });
    expectMeasured(await evaluator.evaluate(await fixture.request(1), NEVER));
  });

  test("a base whose model was cut", async () => {
    const evaluator = await start();
    const request = await fixture.request(0);
    const root = join(fixture.directory, "cut");
    const directory = await writeVersion(root, { groups: 2, tensors: randomTensors() });
    await truncate(join(root, "model", "model.safetensors"), 5_000);

    await expect(evaluator.evaluate({ ...request, base: { directory, version: 0 } }, NEVER)).rejects.toMatchObject({
      code: "CHECKPOINT_MODEL_CHANGED",
    });
    expectMeasured(await evaluator.evaluate(request, NEVER));
  });

  test("a base that is cut while it is read", { timeout: SLOW_MILLIS }, async () => {
    const evaluator = await start({ timeoutMillis: SLOW_MILLIS });
    await evaluator.evaluate(await fixture.request(0), NEVER);
    const root = join(fixture.directory, "cut-while-read");
    const tensors = randomTensors({ config: WIDE });
    const directory = await writeVersion(root, { config: WIDE, groups: 2, tensors });
    const path = join(root, "model", "model.safetensors");
    const cut = evaluator.evaluate({ ...wide, base: { directory, version: 0 } }, NEVER);
    const failed = expect(cut).rejects.toMatchObject({
      code: expect.stringMatching(/^(EVALUATION_MODEL_INVALID|CHECKPOINT_(FILE_MALFORMED|MODEL_CHANGED))$/),
    });

    await Promise.race([cutWhileOpen(evaluator, path), failed]);
    await failed;
    expectMeasured(await evaluator.evaluate(await fixture.request(0), NEVER));
  });
});

/** Lets the child's address space grow by so much and no more. */
async function leaveRoom({ pid }: ChildEvaluator, mib: number): Promise<void> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const used = Number(/^VmSize:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  await promisify(execFile)("prlimit", [`--pid=${pid}`, `--as=${used + mib * MIB}`]);
}

/**
 * Cuts the file while the child reads it: lets the child go on in steps until it has it open. On a busy machine the
 * child, set to run only when nothing else does, does not overtake us.
 */
async function cutWhileOpen({ pid }: ChildEvaluator, path: string): Promise<void> {
  if (pid === null) throw new Error("There is no child");
  execFileSync("chrt", ["--all-tasks", "--idle", "--pid", "0", `${pid}`]);
  for (;;) {
    process.kill(pid, "SIGSTOP");
    const open = openFiles(pid).includes(path);
    if (open) truncateSync(path, MIB);
    process.kill(pid, "SIGCONT");
    if (open) return;
    await setImmediate();
  }
}

function openFiles(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).map((name) => {
    try {
      return readlinkSync(join(folder, name));
    } catch {
      return "";
    }
  });
}

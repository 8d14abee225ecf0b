import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import {
  createEvaluatorFixture,
  type EvaluatorFixture,
  expectMeasured,
} from "@assay/testing/contracts/evaluator-contract";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { StdioEvaluator, type StdioEvaluatorOptions } from "../src/stdio/stdio-evaluator.ts";

const NEVER = new AbortController().signal;
const ODD_BACKEND = fileURLToPath(new URL("./fixtures/odd-backend.ts", import.meta.url));

describe("StdioEvaluator", () => {
  let fixture: EvaluatorFixture;
  const evaluators: StdioEvaluator[] = [];
  let markers = 0;

  beforeAll(async () => {
    fixture = await createEvaluatorFixture();
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await Promise.all(evaluators.splice(0).map((evaluator) => evaluator.stop()));
  });
  afterAll(() => fixture.remove());

  /** Over a backend that has this fault in its first life. */
  function withFault(fault: string, options: Partial<StdioEvaluatorOptions> = {}, words: readonly string[] = []) {
    markers += 1;
    const logger = createMemoryLogger();
    const marker = join(fixture.directory, `marker-${markers}`);
    const command = [process.execPath, ODD_BACKEND, fault, marker, ...words];
    const evaluator = new StdioEvaluator({ logger }, { ...fixture.options, command, ...options });
    evaluators.push(evaluator);
    return { evaluator, logger };
  }

  test("what the program says of itself ends up in log and measurement", async () => {
    const { evaluator, logger } = withFault("none");
    await evaluator.start(NEVER);

    const measured = expectMeasured(await evaluator.evaluate(await fixture.request(0), NEVER));
    expect(measured).toMatchObject({ band: 1e-3, lossBefore: 2.5, lossAfter: 2.5, tokens: 96 });
    expect(logger.lines()).toContainEqual(
      expect.stringMatching(/\[INFO\] Backend ready \| name: odd \| device: cpu \| band: 0.001 \| pid: \d+/),
    );
  });

  test.each([
    ["greets with garbage", "EVALUATION_BACKEND_PROTOCOL", { line: "Loading model: 50%" }],
    ["speaks another version", "EVALUATION_BACKEND_PROTOCOL", { line: expect.stringContaining("assay-losses/2") }],
    ["ends before it greets", "CHILD_START_FAILED", { exitCode: 3, lastOutput: "no module named torch" }],
  ])("a program that %s stops the start, and the next start works", async (fault, code, fields) => {
    const { evaluator } = withFault(fault);
    await expect(evaluator.start(NEVER)).rejects.toMatchObject({ code, fields });
    await evaluator.stop();

    await evaluator.start(NEVER);
    expectMeasured(await evaluator.evaluate(await fixture.request(0), NEVER));
  });

  test("a program that says nothing is killed", async () => {
    const { evaluator } = withFault("says nothing", { startDeadlineMillis: 300 });
    await expect(evaluator.start(NEVER)).rejects.toMatchObject({
      code: "CHILD_START_FAILED",
      fields: { why: "it said nothing in time" },
    });
    await evaluator.stop();
    expect(evaluator.pid).toBeNull();
  });

  test("a program that is not there stops the start", async () => {
    const { evaluator } = withFault("none", { command: ["/nonexistent/backend"] });
    await expect(evaluator.start(NEVER)).rejects.toMatchObject({
      code: "CHILD_START_FAILED",
      fields: { why: "spawn /nonexistent/backend ENOENT" },
    });
  });

  test("a program that was told its device and runs on another is refused", async () => {
    const options = { device: { kind: "cuda", index: 1 } } as const;
    const { evaluator } = withFault("greets from another device", options, ["--device={device}"]);
    await expect(evaluator.start(NEVER)).rejects.toMatchObject({
      code: "EVALUATION_DEVICE_UNAVAILABLE",
      fields: { device: "cuda:1", why: "odd says that it runs on cuda:0" },
    });
  });

  test.each([
    ["crashes", "CHILD_EXITED", { exitCode: 7 }],
    ["answers with garbage", "EVALUATION_BACKEND_PROTOCOL", { line: "{losses: [1]}" }],
    ["answers NaN", "EVALUATION_BACKEND_PROTOCOL", { line: expect.stringContaining("NaN") }],
    ["answers without an end", "EVALUATION_BACKEND_PROTOCOL", { line: "1".repeat(200) }],
    ["answers another request", "EVALUATION_BACKEND_PROTOCOL", { line: expect.stringContaining("losses") }],
    ["gives a loss too few", "EVALUATION_BACKEND_PROTOCOL", { losses: 2, expected: 3 }],
    ["gives a loss too many", "EVALUATION_BACKEND_PROTOCOL", { losses: 4, expected: 3 }],
    ["hoards memory", "CHILD_MEMORY", { limitMiB: 300 }],
  ])("a program that %s costs only that attempt", async (fault, code, fields) => {
    const { evaluator } = withFault(fault, { memoryLimitMiB: 300 });
    await evaluator.start(NEVER);
    const first = evaluator.pid;
    const request = await fixture.request(0);

    await expect(evaluator.evaluate(request, NEVER)).rejects.toMatchObject({ code, retryable: true, fields });
    expectMeasured(await evaluator.evaluate(request, NEVER));
    expect(evaluator.pid).not.toBe(first);
  });

  test("a program that hangs is killed at the deadline with all that it started, and the next works", async () => {
    const { evaluator, logger } = withFault("hangs with a child", { timeoutMillis: 1_500 });
    await evaluator.start(NEVER);
    const request = await fixture.request(0);

    await expect(evaluator.evaluate(request, NEVER)).rejects.toMatchObject({ code: "CHILD_DEADLINE", retryable: true });
    const grandchild = Number(/child (\d+)/.exec(logger.lines().join("\n"))?.[1]);
    await vi.waitFor(() => expect(isRunning(grandchild)).resolves.toBe(false));
    expectMeasured(await evaluator.evaluate(request, NEVER));
  });

  test("a program whose measurement was given up is not used again", async () => {
    const { evaluator, logger } = withFault("hangs with a child");
    await evaluator.start(NEVER);
    const first = evaluator.pid ?? 0;
    const request = await fixture.request(0);
    const controller = new AbortController();
    const given = expect(evaluator.evaluate(request, controller.signal)).rejects.toThrow("the round is over");
    await vi.waitFor(() => expect(logger.lines().join("\n")).toMatch(/child \d+/), 10_000);
    controller.abort(new Error("the round is over"));

    await given;
    expectMeasured(await evaluator.evaluate(request, NEVER));
    expect(await isRunning(first)).toBe(false);
  });

  test.each([
    ["knows no such submission", { code: "EVALUATION_SUBMISSION_CHANGED", retryable: false }],
    [
      "is out of memory",
      { code: "EVALUATION_BACKEND_FAILED", retryable: true, fields: { backendCode: "CUDA_OUT_OF_MEMORY" } },
    ],
  ])("a program that %s says so with a code and stays", async (fault, error) => {
    const { evaluator } = withFault(fault);
    await evaluator.start(NEVER);
    const first = evaluator.pid;
    const request = await fixture.request(0);

    await expect(evaluator.evaluate(request, NEVER)).rejects.toMatchObject(error);
    await expect(evaluator.evaluate(request, NEVER)).rejects.toMatchObject(error);
    expect(evaluator.pid).toBe(first);
  });

  test("a loss that is not finite comes as null; for the base it is our failure", async () => {
    const { evaluator } = withFault("has no finite loss");
    await evaluator.start(NEVER);

    await expect(evaluator.evaluate(await fixture.request(0), NEVER)).rejects.toMatchObject({
      code: "EVALUATION_BASE_LOSS_INVALID",
      fields: { badBatch: 1 },
    });
  });

  test("a program does not see its parent's secrets, and NVIDIA's libraries are told not to round", async () => {
    vi.stubEnv("BZ_AUTH_TOKEN", "secret");
    vi.stubEnv("HOTKEY_URI", "//Alice");
    const { evaluator, logger } = withFault("shows its environment");
    await evaluator.start(NEVER);
    await evaluator.evaluate(await fixture.request(0), NEVER);

    const output = logger.lines().join("\n");
    expect(output).toContain("NVIDIA_TF32_OVERRIDE");
    expect(output).not.toMatch(/secret|Alice/);
  });

  test("stopping ends a program that does not listen, and leaves no file behind", async () => {
    const folder = join(fixture.directory, "temporary");
    await mkdir(folder);
    vi.stubEnv("TMPDIR", folder);
    const { evaluator, logger } = withFault("hangs with a child");
    await evaluator.start(NEVER);
    const pid = evaluator.pid ?? 0;
    const hanging = expect(evaluator.evaluate(await fixture.request(0), NEVER)).rejects.toMatchObject({
      code: "CHILD_EXITED",
    });
    await vi.waitFor(() => expect(logger.lines().join("\n")).toMatch(/child \d+/), 10_000);
    expect(await readdir(folder)).toEqual([expect.stringMatching(/^assay-losses-/)]);
    await evaluator.stop();

    await hanging;
    expect(await isRunning(pid)).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });
});

/** A process that has ended may stay listed until its new parent looks. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat !== "" && !/\) Z /.test(stat);
}

import { writeFile } from "node:fs/promises";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import {
  createEvaluatorFixture,
  type EvaluatorFixture,
  expectMeasured,
} from "@assay/testing/contracts/evaluator-contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ChildEvaluator } from "../src/child-evaluator.ts";
import type { EvaluatorOptions } from "../src/evaluator.ts";

const NEVER = new AbortController().signal;

describe("ChildEvaluator", () => {
  let fixture: EvaluatorFixture;
  beforeAll(async () => {
    fixture = await createEvaluatorFixture();
  });
  afterAll(() => fixture.remove());

  async function withEvaluator(
    use: (evaluator: ChildEvaluator) => Promise<void>,
    options: Partial<EvaluatorOptions> = {},
    logger = createMemoryLogger(),
  ): Promise<void> {
    const evaluator = new ChildEvaluator({ logger }, { ...fixture.options, ...options });
    await evaluator.start(NEVER);
    try {
      await use(evaluator);
    } finally {
      await evaluator.stop();
    }
  }

  test("a child that is killed while it measures fails that measurement as ours, and the next one works", async () => {
    await withEvaluator(async (evaluator) => {
      const request = await fixture.request(0);
      const killed = evaluator.pid as number;
      const interrupted = evaluator.evaluate(request, NEVER);
      process.kill(killed, "SIGKILL");

      await expect(interrupted).rejects.toMatchObject({ code: "CHILD_EXITED", retryable: true });
      expectMeasured(await evaluator.evaluate(request, NEVER));
      expect(evaluator.pid).not.toBe(killed);
    });
  });

  test("a child that hangs is killed at the deadline, and the next measurement works", async () => {
    await withEvaluator(
      async (evaluator) => {
        const request = await fixture.request(0);
        const hanging = evaluator.pid as number;
        process.kill(hanging, "SIGSTOP");

        await expect(evaluator.evaluate(request, NEVER)).rejects.toMatchObject({ code: "CHILD_DEADLINE" });
        expectMeasured(await evaluator.evaluate(request, NEVER));
        expect(evaluator.pid).not.toBe(hanging);
      },
      { timeoutMillis: 3_000 },
    );
  });

  test("an error in the child keeps its code and its facts", async () => {
    await withEvaluator(async (evaluator) => {
      const request = { ...(await fixture.request(0)), group: 7 };

      await expect(evaluator.evaluate(request, NEVER)).rejects.toMatchObject({
        code: "EVALUATION_GROUP_UNKNOWN",
        fields: { group: 7 },
      });
    });
  });

  test("which held-out text is measured on is logged once, unusable lines with their reasons", async () => {
    const logger = createMemoryLogger();
    const evalDatasetPath = `${fixture.directory}/with-bad-lines.jsonl`;
    await writeFile(evalDatasetPath, `{"text":"${"some text ".repeat(40)}"}\n\n{"text":7}\nnot json\nnor this\n`);
    await withEvaluator(
      async (evaluator) => {
        await evaluator.evaluate(await fixture.request(0), NEVER);
        await evaluator.evaluate(await fixture.request(1), NEVER);
      },
      { evalDatasetPath },
      logger,
    );

    expect(logger.lines().filter((line) => line.includes("eld-out text"))).toEqual([
      expect.stringMatching(
        /\[INFO\] Loaded held-out text \|.* sha256: [0-9a-f]{64} \| documents: 1 \| sequences: 23 /,
      ),
      expect.stringMatching(/\[WARN\] Held-out text has unusable lines \|.* blank: 1 \| not_json: 2 \| no_text: 1$/),
    ]);
  });
});

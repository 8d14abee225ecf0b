import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chooseBatches } from "@assay/core/sampling/selection";
import type { ExpertGroup } from "@assay/core/units";
import type { EvaluationRequest, Evaluator, EvaluatorOptions, Measurement } from "@assay/evaluation/evaluator";
import { HEAD } from "@assay/evaluation/model/names";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  changedTensors,
  randomTensors,
  TINY_CONFIG,
  type TinyTensor,
  writeSubmission,
  writeVersion,
} from "../model/tiny-model.ts";

const GROUPS = 2;
const DIRECTION = "e".charCodeAt(0);
const SEED = "5eed";
const NEVER = new AbortController().signal;

/** A base model, held-out text and submissions on disk, for tests of evaluators. */
export interface EvaluatorFixture {
  readonly directory: string;
  readonly options: EvaluatorOptions;
  readonly tensors: ReadonlyMap<string, TinyTensor>;
  /** A request for a submission of these tensors. */
  request(group: ExpertGroup, tensors?: ReadonlyMap<string, TinyTensor>): Promise<EvaluationRequest>;
  remove(): Promise<void>;
}

/** Writes the fixture into a fresh temporary directory. */
export async function createEvaluatorFixture(): Promise<EvaluatorFixture> {
  const directory = await mkdtemp(join(tmpdir(), "assay-evaluator-"));
  const tensors = randomTensors();
  const version = await writeVersion(directory, { groups: GROUPS, tensors });
  const evalDatasetPath = join(directory, "held-out.jsonl");
  await writeFile(evalDatasetPath, heldOutText());
  let submissions = 0;
  return {
    directory,
    tensors,
    options: {
      evalDatasetPath,
      tokenCacheDirectory: null,
      batchSize: 2,
      sequences: 6,
      sequenceLength: 16,
      timeoutMillis: 30_000,
      threads: 1,
    },
    request: async (group, submitted = tensors) => {
      submissions += 1;
      const path = join(directory, `submission-${submissions}.safetensors`);
      const submission = await writeSubmission(path, { groups: GROUPS, group, tensors: submitted });
      return { base: { directory: version, version: 0 }, group, submission, seed: SEED };
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/**
 * What every {@link Evaluator} does.
 *
 * @param reference makes an implementation whose losses the tested one must reproduce to the last bit.
 */
export function evaluatorContract(
  name: string,
  create: (options: EvaluatorOptions) => Evaluator,
  reference: (options: EvaluatorOptions) => Evaluator,
): void {
  describe(`${name} is an Evaluator`, () => {
    let fixture: EvaluatorFixture;
    const started: Evaluator[] = [];

    beforeAll(async () => {
      fixture = await createEvaluatorFixture();
    });
    afterEach(async () => {
      await Promise.all(started.splice(0).map((evaluator) => evaluator.stop()));
    });
    afterAll(() => fixture.remove());

    async function start(make = create, options: Partial<EvaluatorOptions> = {}): Promise<Evaluator> {
      const evaluator = make({ ...fixture.options, ...options });
      started.push(evaluator);
      await evaluator.start(NEVER);
      return evaluator;
    }

    test("an unchanged submission has exactly the base's loss, in every group", async () => {
      const evaluator = await start();

      for (const group of [0, 1]) {
        const measured = expectMeasured(await evaluator.evaluate(await fixture.request(group), NEVER));
        expect(measured.lossAfter).toBe(measured.lossBefore);
        expect(measured).toMatchObject({ tokens: 96, batchLosses: { length: 3 } });
        const { sequences = 0, chosen } = measured.text ?? {};
        expect(chosen).toEqual(chooseBatches({ sequences, count: 6, seed: SEED }));
      }
    });

    test("of two opposite changes one lowers the loss and the other raises it", async () => {
      const evaluator = await start();
      const forth = await evaluator.evaluate(await fixture.request(1, pushed(fixture.tensors, 1e-2)), NEVER);
      const back = await evaluator.evaluate(await fixture.request(1, pushed(fixture.tensors, -1e-2)), NEVER);

      const { lossBefore, lossAfter: one } = expectMeasured(forth);
      const { lossAfter: other } = expectMeasured(back);
      expect(Math.min(one, other)).toBeLessThan(lossBefore);
      expect(Math.max(one, other)).toBeGreaterThan(lossBefore);
    });

    test("losses are equal to the last bit between two measurements, two evaluators and the reference", async () => {
      const request = await fixture.request(0, pushed(fixture.tensors, 1e-2));
      const evaluator = await start();
      const first = await evaluator.evaluate(request, NEVER);
      const again = await evaluator.evaluate(request, NEVER);
      const fresh = await (await start()).evaluate(request, NEVER);
      const other = await (await start(reference)).evaluate(request, NEVER);

      const { runtime, ...losses } = expectMeasured(first);
      expect([again, fresh]).toEqual([first, first]);
      expect(other).toMatchObject(losses);
      expect(runtime).toMatchObject({ node: process.versions.node, device: "cpu" });
    });

    test("a measurement leaves nothing behind for the next one", async () => {
      const evaluator = await start();
      const unchanged = await fixture.request(0);
      const before = await evaluator.evaluate(unchanged, NEVER);
      await evaluator.evaluate(await fixture.request(0, pushed(fixture.tensors, 0.5)), NEVER);
      await evaluator.evaluate(await fixture.request(0, overflowing(fixture.tensors)), NEVER);

      expect(await evaluator.evaluate(unchanged, NEVER)).toEqual(before);
    });

    test("finite weights that give a loss that is not finite are rejected", async () => {
      const evaluator = await start();

      expect(await evaluator.evaluate(await fixture.request(0, overflowing(fixture.tensors)), NEVER)).toEqual({
        kind: "rejected",
        reason: "non_finite_loss",
        detail: "Batch 1 of 3 has a loss that is not finite",
      });
    });

    test("another seed measures on other text", async () => {
      const evaluator = await start();
      const request = await fixture.request(0);
      const one = expectMeasured(await evaluator.evaluate(request, NEVER));
      const other = expectMeasured(await evaluator.evaluate({ ...request, seed: "0dd" }, NEVER));

      expect(other.lossBefore).not.toBe(one.lossBefore);
    });

    test("the stages of a round are its batches in order, to the last bit", async () => {
      const evaluator = await start();
      const request = await fixture.request(1, pushed(fixture.tensors, 1e-2));
      const whole = expectMeasured(await evaluator.evaluate(request, NEVER));
      const stages = [
        { firstBatch: 0, batches: 1 },
        { firstBatch: 1, batches: 9 },
      ];
      const measured = await Promise.all(stages.map((stage) => evaluator.evaluate({ ...request, stage }, NEVER)));
      const [first, rest] = measured.map(expectMeasured);

      expect([...(first?.batchLosses ?? []), ...(rest?.batchLosses ?? [])]).toEqual(whole.batchLosses);
      expect(first).toMatchObject({ tokens: 32, batchesLeft: 2 });
      expect(rest).toMatchObject({ tokens: 64, batchesLeft: 0 });
      expect(whole.batchesLeft).toBe(undefined);
    });

    test("a stage names a batch that is not finite by its place in the round", async () => {
      const evaluator = await start();
      const request = await fixture.request(0, overflowing(fixture.tensors));

      expect(await evaluator.evaluate({ ...request, stage: { firstBatch: 1, batches: 2 } }, NEVER)).toMatchObject({
        detail: "Batch 2 of 3 has a loss that is not finite",
      });
    });

    test("measurements asked for at the same time are all made", async () => {
      const evaluator = await start();
      const requests = await Promise.all([0, 1, 0, 1].map((group) => fixture.request(group)));
      const measured = await Promise.all(requests.map((request) => evaluator.evaluate(request, NEVER)));

      expect(measured.map(({ kind }) => kind)).toEqual(["measured", "measured", "measured", "measured"]);
    });

    test("an aborted measurement fails with the signal's reason and the next one works", async () => {
      const evaluator = await start();
      const request = await fixture.request(0);
      const controller = new AbortController();
      const aborted = evaluator.evaluate(request, controller.signal);
      controller.abort(new Error("the round is over"));

      await expect(aborted).rejects.toThrow("the round is over");
      expectMeasured(await evaluator.evaluate(request, NEVER));
    });

    test("a measurement past its deadline fails as ours", async () => {
      const evaluator = await start(create, { timeoutMillis: 1 });

      await expect(evaluator.evaluate(await fixture.request(0), NEVER)).rejects.toMatchObject({
        code: expect.stringMatching(/_DEADLINE$/),
        retryable: true,
      });
    });

    test("a submission that is gone, cut short or another group's fails as ours", async () => {
      const evaluator = await start();
      const request = await fixture.request(0);
      const { path } = request.submission;
      const cut = join(fixture.directory, "cut.safetensors");
      await writeFile(cut, (await readFile(path)).subarray(0, -4));
      const at = (other: string) => ({ ...request, submission: { ...request.submission, path: other } });

      for (const changed of [at(`${path}.gone`), at(cut), { ...request, group: 1 }]) {
        await expect(evaluator.evaluate(changed, NEVER)).rejects.toMatchObject({
          code: "EVALUATION_SUBMISSION_CHANGED",
          retryable: true,
        });
      }
      expectMeasured(await evaluator.evaluate(request, NEVER));
    });

    test("it measures only between start and stop", async () => {
      const evaluator = await start();
      const request = await fixture.request(0);
      await evaluator.stop();

      await expect(evaluator.evaluate(request, NEVER)).rejects.toMatchObject({ code: "EVALUATION_NOT_RUNNING" });
      await evaluator.start(NEVER);
      expectMeasured(await evaluator.evaluate(request, NEVER));
    });

    test("a dataset that is not there stops the start", async () => {
      const evaluator = create({ ...fixture.options, evalDatasetPath: join(fixture.directory, "missing.jsonl") });
      started.push(evaluator);

      await expect(evaluator.start(NEVER)).rejects.toMatchObject({ code: "EVALUATION_DATASET_INVALID" });
    });
  });
}

/** The measurement, if it is one. */
export function expectMeasured(measurement: Measurement): Extract<Measurement, { kind: "measured" }> {
  if (measurement.kind !== "measured") throw new Error(`Rejected: ${measurement.reason}, ${measurement.detail}`);
  return measurement;
}

/** Experts whose output is moved along one token's row of the head, which changes how likely that token is. */
function pushed(tensors: ReadonlyMap<string, TinyTensor>, step: number): Map<string, TinyTensor> {
  const { hiddenSize, expertIntermediateSize } = TINY_CONFIG;
  const head = tensors.get(HEAD)?.values ?? new Float32Array();
  const direction = head.subarray(DIRECTION * hiddenSize, (DIRECTION + 1) * hiddenSize);
  return changedTensors(tensors, (name, values) =>
    name.endsWith("down_proj.weight")
      ? values.map((value, index) => value + step * (direction[Math.floor(index / expertIntermediateSize)] ?? 0))
      : null,
  );
}

/** Finite weights whose products are not. */
function overflowing(tensors: ReadonlyMap<string, TinyTensor>): Map<string, TinyTensor> {
  return changedTensors(tensors, (name, values) =>
    name.endsWith("down_proj.weight") ? values.map((value) => Math.sign(value) * 3e38) : null,
  );
}

function heldOutText(): string {
  const lines = Array.from({ length: 60 }, (_, line) => `Sentence ${line * 7919} sees the sea, the trees and bees.`);
  return lines.map((text) => `${JSON.stringify({ text })}\n`).join("");
}

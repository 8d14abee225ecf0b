import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { narrow } from "@assay/checkpoint/safetensors/widen";
import { writeSafetensors } from "@assay/checkpoint/safetensors/write";
import { expectMeasured } from "@assay/testing/contracts/evaluator-contract";
import {
  changedTensors,
  randomTensors,
  TINY_CONFIG,
  type TinyTensor,
  writeSubmission,
  writeVersionFolder,
} from "@assay/testing/model/tiny-model";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Engine } from "../src/engine/engine.ts";
import { LayerwiseForward, lookup } from "../src/engine/forward.ts";
import { ModelSessions } from "../src/engine/sessions.ts";
import { loadBaseModel } from "../src/engine/weights.ts";
import { Measurer, type MeasurerOptions } from "../src/measurer.ts";
import { type ModelConfig, modelConfigJson } from "../src/model/config.ts";
import { groupTensors } from "../src/model/tensor-names.ts";
import { InferenceSession, Tensor } from "../src/onnx/runtime.ts";
import { type Batch, selectBatches } from "../src/text/batches.ts";
import { loadDataset } from "../src/text/dataset.ts";
import { loadTokenizer } from "../src/text/tokenizer.ts";
import { onePieceGraph } from "./one-piece-graph.ts";

const NEVER = new AbortController().signal;
const SEQUENCE = 12;

let directory: string;
let options: MeasurerOptions;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "assay-engine-"));
  const evalDatasetPath = join(directory, "held-out.jsonl");
  const lines = Array.from({ length: 40 }, (_, line) =>
    JSON.stringify({ text: `Line ${line * 31} of the held-out text` }),
  );
  await writeFile(evalDatasetPath, lines.join("\n"));
  options = {
    evalDatasetPath,
    tokenCacheDirectory: null,
    batchSize: 3,
    sequences: 6,
    sequenceLength: SEQUENCE,
    threads: 1,
  };
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function batchesOf(version: string): Promise<readonly Batch[]> {
  const tokenizer = await loadTokenizer(version);
  const path = options.evalDatasetPath;
  const dataset = await loadDataset({ path, tokenizer, sequenceLength: SEQUENCE, vocabularySize: 256 }, NEVER);
  return selectBatches(dataset, { ...options, seed: "5eed" });
}

describe("the layer-wise engine", () => {
  test.each<readonly [string, Partial<ModelConfig>, number]>([
    ["grouped-query attention and normalised shares", {}, 2],
    ["a head per query and shares as they are", { keyValueHeads: 4, normalizeTopK: false }, 4],
    ["tied embeddings, wide heads and one group", { tiedEmbeddings: true, headDim: 16, layers: 3, ropeTheta: 500 }, 1],
  ])("gives the loss of the same model in one piece: %s", async (name, change, groups) => {
    const config = { ...TINY_CONFIG, ...change };
    const tensors = randomTensors({ config, seed: 7 });
    const version = join(directory, name.replaceAll(" ", "-"));
    await writeVersionFolder(version, { config, groups, tensors });
    const group = groups - 1;
    const submission = await writeSubmission(`${version}.safetensors`, { config, groups, group, tensors });
    const engine = new Measurer(new Engine(options), options);
    const { measurement } = await engine.evaluate(
      { base: { directory: version, version: 0 }, group, submission, seed: "5eed" },
      NEVER,
    );
    await engine.release();

    const expected = await lossInOnePiece(config, tensors, await batchesOf(version));
    expect(expected).toBeGreaterThan(5);
    expect(Math.abs(expectMeasured(measurement).lossBefore - expected)).toBeLessThan(1e-5);
  });

  test("a small budget for logits gives the same loss in many slices of rows", async () => {
    const version = join(directory, "slices");
    await writeVersionFolder(version, { groups: 2, tensors: randomTensors() });
    const [batch] = await batchesOf(version);
    const { config, weights, groups } = await loadBaseModel(version, NEVER);
    const sessions = await ModelSessions.create(config, { sequenceLength: SEQUENCE, threads: 1 });
    const loss = async (rows: number) => {
      const forward = new LayerwiseForward(
        { sessions, groups },
        { logitsBudgetBytes: rows * config.vocabularySize * 4 },
      );
      const trunk = await forward.trunk(batch as Batch, 0, lookup(weights), NEVER);
      return await forward.loss(trunk, 0, lookup(weights), NEVER);
    };

    const whole = await loss(1_000);
    expect(await loss(5)).toBeCloseTo(whole, 4);
    expect(await loss(0)).toBeCloseTo(whole, 4);
    await sessions.release();
  });

  test.each(["BF16", "F16"] as const)(
    "a submission in %s is measured as the float32 values it stands for",
    async (dtype) => {
      const version = join(directory, `narrow-${dtype}`);
      const tensors = randomTensors({ seed: 3 });
      await writeVersionFolder(version, { groups: 2, tensors });
      const submitted = changedTensors(randomTensors({ seed: 4 }), (_, values) => values.map(roundedTo16Bits));
      const path = join(directory, `${dtype}.safetensors`);
      const sources = groupTensors(TINY_CONFIG, 2, 0).map(({ name, shape }) => {
        const { values } = submitted.get(name) as TinyTensor;
        return { name, shape, dtype, chunks: () => [narrow(dtype, values)] };
      });
      const narrowed = { path, sha256: (await writeSafetensors(path, sources)).sha256 };
      const wide = await writeSubmission(join(directory, "wide.safetensors"), {
        groups: 2,
        group: 0,
        tensors: submitted,
      });
      const engine = new Measurer(new Engine(options), options);
      const request = { base: { directory: version, version: 0 }, group: 0, seed: "5eed" };
      const one = await engine.evaluate({ ...request, submission: wide }, NEVER);
      const other = await engine.evaluate({ ...request, submission: narrowed }, NEVER);
      await engine.release();

      const { lossBefore, lossAfter } = expectMeasured(one.measurement);
      expect(lossAfter).not.toBe(lossBefore);
      expect(other.measurement).toEqual(one.measurement);
    },
  );

  test.each<readonly [string, (version: string) => Promise<void>]>([
    ["no configuration", (version) => rm(join(version, "config.json"))],
    ["a configuration that is not JSON", (version) => writeFile(join(version, "config.json"), "{")],
    ["a group's file missing", (version) => rm(join(version, "group-1.safetensors"))],
    ["no tokenizer", (version) => rm(join(version, "tokenizer_config.json"))],
    [
      "another shape in its configuration",
      (version) =>
        writeFile(join(version, "config.json"), JSON.stringify(modelConfigJson({ ...TINY_CONFIG, headDim: 16 }))),
    ],
  ])("a version with %s is ours to repair", async (name, damage) => {
    const version = join(directory, name.replaceAll(" ", "-"));
    const tensors = randomTensors();
    await writeVersionFolder(version, { groups: 2, tensors });
    const submission = await writeSubmission(`${version}.safetensors`, { groups: 2, group: 0, tensors });
    await damage(version);
    const engine = new Measurer(new Engine(options), options);

    await expect(
      engine.evaluate({ base: { directory: version, version: 0 }, group: 0, submission, seed: "5eed" }, NEVER),
    ).rejects.toMatchObject({ code: "EVALUATION_MODEL_INVALID" });
    await engine.release();
  });

  test("200 submissions leave the base as it was", async () => {
    const version = join(directory, "swaps");
    const tensors = randomTensors({ seed: 1 });
    await writeVersionFolder(version, { groups: 2, tensors });
    const [batch] = await batchesOf(version);
    const { config, weights, groups } = await loadBaseModel(version, NEVER);
    const sessions = await ModelSessions.create(config, { sequenceLength: SEQUENCE, threads: 1 });
    const forward = new LayerwiseForward({ sessions, groups }, { logitsBudgetBytes: 1e6 });
    const other = new Map([...randomTensors({ seed: 2 })].map(([name, tensor]) => [name, toTensor(tensor)]));
    const trunk = await forward.trunk(batch as Batch, 1, lookup(weights), NEVER);
    const before = digestOf(weights.values());
    const losses = new Set<number>();
    for (let swap = 0; swap < 200; swap += 1) {
      const names = groups.get(1)?.names ?? [];
      const overlay = new Map(names.map((name) => [name, other.get(name) as Tensor]));
      losses.add(await forward.loss(trunk, 1, lookup(weights, overlay), NEVER));
      losses.add(await forward.loss(trunk, 1, lookup(weights), NEVER));
    }
    await sessions.release();

    expect(digestOf(weights.values())).toBe(before);
    expect(losses.size).toBe(2);
  });
});

async function lossInOnePiece(
  config: ModelConfig,
  tensors: ReadonlyMap<string, TinyTensor>,
  batches: readonly Batch[],
): Promise<number> {
  const weights = Object.fromEntries([...tensors].map(([name, tensor]) => [name, toTensor(tensor)]));
  let sum = 0;
  for (const { sequences, tokens, targets } of batches) {
    const session = await InferenceSession.create(onePieceGraph(config, sequences, SEQUENCE).model());
    const { loss } = await session.run({
      ...weights,
      tokens: new Tensor("int64", BigInt64Array.from(tokens, BigInt), [sequences, SEQUENCE]),
      targets: new Tensor("int64", targets, [targets.length, 1]),
    });
    sum += Number(loss?.data[0]);
    await session.release();
  }
  return sum / batches.length;
}

/** The nearest number below that both 16-bit formats hold exactly, for weights between 2^-14 and 2. */
function roundedTo16Bits(value: number): number {
  return Math.trunc(value * 64) / 64;
}

function toTensor({ shape, values }: TinyTensor): Tensor {
  return new Tensor("float32", values, shape);
}

function digestOf(tensors: Iterable<Tensor>): string {
  const hash = createHash("sha256");
  for (const { data } of tensors) hash.update(data as Float32Array);
  return hash.digest("hex");
}

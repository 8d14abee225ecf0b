import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GroupLayout, openModelSource, openSlice } from "@assay/checkpoint/model/model-source";
import { expectMeasured } from "@assay/testing/contracts/evaluator-contract";
import {
  changedTensors,
  randomTensors,
  TINY_CONFIG,
  type TinyTensor,
  writeSubmission,
  writeTinyModel,
  writeVersion,
} from "@assay/testing/model/tiny-model";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBaseWeights, readEmbeddingRows } from "../src/engine/base-weights.ts";
import { chunksOf } from "../src/engine/chunks.ts";
import { Engine, type EngineOptions } from "../src/engine/engine.ts";
import { LayerwiseForward } from "../src/engine/forward.ts";
import { embeddingPlace, modelUnits, submissionUnits } from "../src/engine/model-places.ts";
import { ModelSessions } from "../src/engine/sessions.ts";
import { TensorReader } from "../src/engine/tensor-reader.ts";
import { BufferPool, UnitReader } from "../src/engine/unit-reader.ts";
import { Measurer, type MeasurerOptions } from "../src/measurer.ts";
import type { GroupedAttention, ModelConfig } from "../src/model/config.ts";
import { modelConfigJson, parseModelConfig } from "../src/model/config-json.ts";
import { describeModel } from "../src/model/description.ts";
import { InferenceSession, Tensor } from "../src/onnx/runtime.ts";
import { type Batch, selectBatches } from "../src/text/batches.ts";
import { loadDataset } from "../src/text/dataset.ts";
import { loadTokenizer } from "../src/text/tokenizer.ts";
import { onePieceGraph } from "./one-piece-graph.ts";

const NEVER = new AbortController().signal;
const SEQUENCE = 12;
const ATTENTION = TINY_CONFIG.attention as GroupedAttention;

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

/** One measurement by an engine of its own. */
async function measure(
  { version, group, submission }: { version: string; group: number; submission: { path: string; sha256: string } },
  change: Partial<MeasurerOptions & EngineOptions> = {},
): Promise<ReturnType<typeof expectMeasured>> {
  const measurer = new Measurer(new Engine({ ...options, ...change }), { ...options, ...change });
  const request = { base: { directory: version, version: 0 }, group, submission, seed: "5eed" };
  const { measurement } = await measurer.evaluate(request, NEVER);
  await measurer.release();
  return expectMeasured(measurement);
}

async function batchesOf(version: string): Promise<readonly Batch[]> {
  const tokenizer = await loadTokenizer(version);
  const path = options.evalDatasetPath;
  const dataset = await loadDataset({ path, tokenizer, sequenceLength: SEQUENCE, vocabularySize: 256 }, NEVER);
  return selectBatches(dataset, { ...options, seed: "5eed" });
}

describe("the layer-wise engine", () => {
  test.each<readonly [string, Partial<ModelConfig>, number]>([
    ["grouped-query attention and normalised shares", {}, 2],
    [
      "a head per query and shares as they are",
      { attention: { ...ATTENTION, keyValueHeads: 4 }, routing: { ...TINY_CONFIG.routing, normalizeTopK: false } },
      4,
    ],
    [
      "tied embeddings, wide heads and one group",
      {
        attention: { ...ATTENTION, headDim: 16 },
        layers: 3,
        rotary: { theta: 500, scaling: { type: "default" } },
        tiedEmbeddings: true,
      },
      1,
    ],
  ])("gives the loss of the same model in one piece: %s", async (name, change, groups) => {
    const config = { ...TINY_CONFIG, ...change };
    const tensors = randomTensors({ config, seed: 7 });
    const version = await writeVersion(join(directory, name.replaceAll(" ", "-")), { config, groups, tensors });
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

  test("measures against what the folder holds now, when another content is named", async () => {
    const folder = join(directory, "replaced");
    const files = { groups: 2, group: 0, tensors: randomTensors({ seed: 9 }) };
    const submission = await writeSubmission(`${folder}.safetensors`, files);
    const measurer = new Measurer(new Engine({ ...options, groups: 2 }), options);
    const lossBefore = async (seed: number, by: Measurer): Promise<number> => {
      await writeTinyModel(folder, { seed });
      const base = { directory: folder, version: 1, content: `seed ${seed}` };
      const { measurement } = await by.evaluate({ base, group: 0, submission, seed: "5eed" }, NEVER);
      return expectMeasured(measurement).lossBefore;
    };
    const first = await lossBefore(3, measurer);
    const second = await lossBefore(4, measurer);
    await measurer.release();
    const fresh = new Measurer(new Engine({ ...options, groups: 2 }), options);
    expect(second).toBe(await lossBefore(4, fresh));
    expect(second).not.toBe(first);
    await fresh.release();
  });

  test.each(["BF16", "F16"] as const)("weights in %s are the float32 values they stand for", async (dtype) => {
    const tensors = changedTensors(randomTensors({ seed: 3 }), (_, values) => values.map(roundedTo16Bits));
    const submitted = changedTensors(randomTensors({ seed: 4 }), (_, values) => values.map(roundedTo16Bits));
    const measured = async (as: "F32" | typeof dtype) => {
      const version = await writeVersion(join(directory, `${dtype}-as-${as}`), { groups: 2, tensors, dtype: as });
      const submission = await writeSubmission(`${version}.safetensors`, {
        groups: 2,
        group: 0,
        tensors: submitted,
        dtype: as,
      });
      return await measure({ version, group: 0, submission });
    };

    const wide = await measured("F32");
    expect(wide.lossAfter).not.toBe(wide.lossBefore);
    expect(await measured(dtype)).toEqual(wide);
  });

  test.each<readonly [string, (version: string) => Promise<void>]>([
    ["no configuration", (version) => rm(join(version, "config.json"))],
    ["a configuration that is not JSON", (version) => writeFile(join(version, "config.json"), "{")],
    ["its model's file missing", (version) => rm(join(version, "../../model/model.safetensors"))],
    ["no tokenizer", (version) => rm(join(version, "tokenizer_config.json"))],
    [
      "another shape in its configuration",
      (version) =>
        writeFile(
          join(version, "config.json"),
          JSON.stringify(modelConfigJson({ ...TINY_CONFIG, attention: { ...ATTENTION, headDim: 16 } })),
        ),
    ],
    [
      "fewer layers in its configuration",
      (version) =>
        writeFile(join(version, "config.json"), JSON.stringify(modelConfigJson({ ...TINY_CONFIG, layers: 1 }))),
    ],
  ])("a version with %s is ours to repair", async (name, damage) => {
    const tensors = randomTensors();
    const version = await writeVersion(join(directory, name.replaceAll(" ", "-")), { groups: 2, tensors });
    const submission = await writeSubmission(`${version}.safetensors`, { groups: 2, group: 0, tensors });
    await damage(version);
    const engine = new Measurer(new Engine(options), options);

    await expect(
      engine.evaluate({ base: { directory: version, version: 0 }, group: 0, submission, seed: "5eed" }, NEVER),
    ).rejects.toMatchObject({
      code: expect.stringMatching(/^(EVALUATION_MODEL_INVALID|CHECKPOINT_MODEL_(INVALID|CHANGED))$/),
    });
    await engine.release();
  });

  test("a base that does not fit into memory is read from its files in every pass, to the same bits", async () => {
    const version = await writeVersion(join(directory, "streamed"), { groups: 2, tensors: randomTensors({ seed: 5 }) });
    const submission = await writeSubmission(`${version}.safetensors`, {
      groups: 2,
      group: 1,
      tensors: randomTensors({ seed: 6 }),
    });

    const resident = await measure({ version, group: 1, submission }, { baseMemoryBytes: Number.POSITIVE_INFINITY });
    const streamed = await measure({ version, group: 1, submission }, { baseMemoryBytes: 0 });
    expect(streamed).toEqual(resident);
  });

  test("how many sequences make a batch changes no bit of a loss", async () => {
    const version = await writeVersion(join(directory, "batch-sizes"), {
      groups: 2,
      tensors: randomTensors({ seed: 5 }),
    });
    const submission = await writeSubmission(`${version}.safetensors`, {
      groups: 2,
      group: 0,
      tensors: randomTensors({ seed: 6 }),
    });
    const sums = async (batchSize: number) => {
      const { batchLosses, lossAfter } = await measure({ version, group: 0, submission }, { batchSize });
      return { batches: batchLosses.length, lossAfter };
    };

    const one = await sums(1);
    const six = await sums(6);
    expect([one.batches, six.batches]).toEqual([6, 1]);
    expect(Math.abs(one.lossAfter - six.lossAfter)).toBeLessThan(1e-12);
  });

  test("other numbers of threads and other sizes of runs move a loss by less than the band that it carries", async () => {
    const version = await writeVersion(join(directory, "band"), { groups: 2, tensors: randomTensors({ seed: 5 }) });
    const submission = await writeSubmission(`${version}.safetensors`, {
      groups: 2,
      group: 0,
      tensors: randomTensors({ seed: 6 }),
    });
    const { lossAfter, band } = await measure({ version, group: 0, submission });

    for (const threads of [1, 2, 3]) {
      for (const rowsPerRun of [SEQUENCE, 2 * SEQUENCE, 5 * SEQUENCE]) {
        const other = await measure({ version, group: 0, submission }, { threads, rowsPerRun });
        expect(Math.abs(other.lossAfter - lossAfter)).toBeLessThan(band / 10);
      }
    }
  });

  test("a submission that was announced is open before its turn; one that is not there spoils no other's", async () => {
    const version = await writeVersion(join(directory, "announced"), {
      groups: 2,
      tensors: randomTensors({ seed: 5 }),
    });
    const write = (seed: number) =>
      writeSubmission(`${version}-${seed}.safetensors`, { groups: 2, group: 0, tensors: randomTensors({ seed }) });
    const [now, next] = [await write(6), await write(7)];
    const expected = await measure({ version, group: 0, submission: next });
    const base = { directory: version, version: 0 };
    const engine = new Engine(options);
    const batches = { key: "all", batches: await batchesOf(version) };
    const sums = (submission: typeof now) => engine.losses({ base, group: 0, submission, batches }, NEVER);

    await sums(now);
    engine.prepare({ base, group: 0, submission: { ...next, path: `${next.path}.gone` } });
    await sums(now);
    engine.prepare({ base, group: 0, submission: next });
    await sums(next);
    // Announced while another one is measured, and taken away once it was opened.
    engine.prepare({ base, group: 0, submission: now });
    const measured = await sums(next);
    await rm(now.path);

    expect(measured).toEqual(expected.batchLosses.map(({ after }) => after));
    expect(await sums(now)).toHaveLength(batches.batches.length);
    await expect(sums(now)).rejects.toMatchObject({ code: "EVALUATION_SUBMISSION_CHANGED", retryable: true });
    await engine.release();
  });

  test("1,000 submissions leave the base as it was", async () => {
    const version = await writeVersion(join(directory, "swaps"), { groups: 2, tensors: randomTensors({ seed: 1 }) });
    const submissions = await Promise.all(
      [2, 3].map((seed) =>
        writeSubmission(`${version}-${seed}.safetensors`, { groups: 2, group: 1, tensors: randomTensors({ seed }) }),
      ),
    );
    const source = await openModelSource(version);
    const config = parseModelConfig(source.config);
    const description = describeModel(config, "per_expert");
    const units = modelUnits(source, config, description);
    const base = await openBaseWeights({ units, memoryBytes: Number.POSITIVE_INFINITY }, NEVER);
    const sessions = new ModelSessions(config, "per_expert", options);
    const { groups, experts } = source;
    const components = { sessions, description, groups, expertCounts: experts.layers, base };
    const forward = new LayerwiseForward(components, { logitsBytes: 1e6 });
    const chunks = chunksOf((await batchesOf(version)).slice(0, 1), {
      rows: 64,
      attentionHeads: 4,
      attentionBytes: 1e6,
    });
    const rows = await readEmbeddingRows(embeddingPlace(source, description), chunks[0]?.tokens ?? new Uint32Array());
    const embedded = [new Tensor("float32", rows, [rows.length / config.hiddenSize, config.hiddenSize])];
    const trunk = await forward.trunk(chunks, embedded, 1, NEVER);
    const layout = groups.get(1) as GroupLayout;
    const buffers = new BufferPool();
    const loss = async (path: string) => {
      const slice = submissionUnits(await openSlice(path, layout), layout, config, description);
      const reader = new UnitReader(new TensorReader("EVALUATION_SUBMISSION_CHANGED"), slice, buffers);
      const losses = await forward.losses(trunk, chunks, 1, reader, NEVER);
      await reader.close();
      return digestOf(losses);
    };
    const unitDigest = async () => {
      const all = await Promise.all(units.map((_, unit) => base.unit(unit, null)));
      return digestOf(all.flatMap((unit) => [...unit.values()].map(({ data }) => data as Float32Array)));
    };

    const before = await unitDigest();
    const seen = new Set<string>();
    for (let swap = 0; swap < 1000; swap += 1) seen.add(await loss(submissions[swap % 2]?.path ?? ""));
    await sessions.release();

    expect(seen.size).toBe(2);
    expect(await unitDigest()).toBe(before);
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

function digestOf(values: readonly Float32Array[]): string {
  const hash = createHash("sha256");
  for (const each of values) hash.update(each);
  return hash.digest("hex");
}

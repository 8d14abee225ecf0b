import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Float32Dtype, narrow } from "@assay/checkpoint/safetensors/widen";
import { writeSafetensors } from "@assay/checkpoint/safetensors/write";
import { CheckpointStore } from "@assay/checkpoint/store/checkpoint-store";
import type { ExpertGroup, Sha256Hex } from "@assay/core/units";
import type { ModelConfig } from "@assay/evaluation/model/config";
import { modelConfigJson } from "@assay/evaluation/model/config-json";
import { exampleConfig } from "@assay/evaluation/model/example-config";
import { initialWeights } from "@assay/evaluation/model/initial-weights";
import { groupTensors, type ModelTensor, modelTensors } from "@assay/evaluation/model/tensor-names";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";

/** The smallest model that has every part of a large one; a forward pass takes milliseconds. */
export const TINY_CONFIG: ModelConfig = exampleConfig("qwen3_moe");

export interface TinyTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface TinyModelOptions {
  readonly config?: ModelConfig;
  /** The same seed gives the same weights. */
  readonly seed?: number;
}

/** Random weights by tensor name; norms lie around 1, matrices keep the size of what they multiply. */
export function randomTensors({ config = TINY_CONFIG, seed = 1 }: TinyModelOptions = {}): Map<string, TinyTensor> {
  return initialWeights(config, { seed });
}

/** Writes a Hugging Face folder: configuration, byte tokenizer and all weights in one file. */
export async function writeTinyModel(directory: string, options: TinyModelOptions = {}): Promise<void> {
  const { config = TINY_CONFIG } = options;
  await writeModelFiles(directory, config);
  await writeTensors(join(directory, "model.safetensors"), modelTensors(config), randomTensors(options));
}

export interface VersionOptions {
  readonly config?: ModelConfig;
  /** Number of expert groups. */
  readonly groups: number;
  readonly tensors: ReadonlyMap<string, TinyTensor>;
  /** How the values are stored; float32 unless said otherwise. */
  readonly dtype?: Float32Dtype;
}

/**
 * Writes a Hugging Face folder, `<root>/model`, and a checkpoint store in `root` that was started from it.
 *
 * @returns the folder of version 0.
 */
export async function writeVersion(
  root: string,
  { config = TINY_CONFIG, groups, tensors, dtype = "F32" }: VersionOptions,
): Promise<string> {
  const model = join(root, "model");
  await writeModelFiles(model, config);
  await writeTensors(join(model, "model.safetensors"), modelTensors(config), tensors, { dtype });
  const store = new CheckpointStore({ logger: createMemoryLogger() }, { root, keepVersions: 1 });
  await store.start();
  await store.importModel(model, { groups });
  return store.directory(0);
}

export interface SubmissionOptions extends VersionOptions {
  readonly group: ExpertGroup;
}

/** Writes one group's tensors as a miner would, in place of a file that is there. */
export async function writeSubmission(
  path: string,
  { config = TINY_CONFIG, groups, group, tensors, dtype = "F32" }: SubmissionOptions,
): Promise<{ readonly path: string; readonly sha256: Sha256Hex }> {
  const sha256 = await writeTensors(path, groupTensors(config, groups, group), tensors, { dtype, group });
  return { path, sha256 };
}

/** A copy in which the tensors that `change` returns something for have those values. */
export function changedTensors(
  tensors: ReadonlyMap<string, TinyTensor>,
  change: (name: string, values: Float32Array) => Float32Array | null,
): Map<string, TinyTensor> {
  return new Map(
    [...tensors].map(([name, { shape, values }]) => [name, { shape, values: change(name, values) ?? values }]),
  );
}

async function writeModelFiles(directory: string, config: ModelConfig): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "config.json"), JSON.stringify(modelConfigJson(config)));
  await writeFile(join(directory, "tokenizer_config.json"), JSON.stringify({ tokenizer_class: "ByteTokenizer" }));
}

/** @param options.group whose rows of stacked experts are written. */
async function writeTensors(
  path: string,
  wanted: readonly ModelTensor[],
  tensors: ReadonlyMap<string, TinyTensor>,
  { dtype = "F32", group = 0 }: { readonly dtype?: Float32Dtype; readonly group?: ExpertGroup } = {},
): Promise<Sha256Hex> {
  const sources = wanted.map(({ name, shape }) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new RangeError(`No values for tensor ${name}`);
    const size = shape.reduce((product, length) => product * length, 1);
    const first = size < tensor.values.length ? group * size : 0;
    return { name, shape, dtype, chunks: () => [narrow(dtype, tensor.values.subarray(first, first + size))] };
  });
  await rm(path, { force: true });
  return (await writeSafetensors(path, sources)).sha256;
}

import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "@assay/checkpoint/atomic-write";
import { tensorBytes } from "@assay/checkpoint/safetensors/dtype";
import { type Float32Dtype, narrow } from "@assay/checkpoint/safetensors/widen";
import { type TensorSource, writeSafetensors } from "@assay/checkpoint/safetensors/write";
import type { Sha256Hex } from "@assay/core/units";
import type { ModelConfig } from "@assay/evaluation/model/config";
import { modelConfigJson } from "@assay/evaluation/model/config-json";
import type { ExpertTensorLayout } from "@assay/evaluation/model/expert-layout";
import { initialWeights } from "@assay/evaluation/model/initial-weights";
import { CliError, CliErrorCode } from "../cli-error.ts";
import { byteTokenizerFiles } from "./byte-tokenizer.ts";

/** A model of random weights, to be written as a Hugging Face folder. */
export interface NewModel {
  readonly config: ModelConfig;
  readonly layout: ExpertTensorLayout;
  readonly dtype: Float32Dtype;
  readonly seed: number;
}

/** Digests of the weight files by name. */
export type WrittenFiles = ReadonlyMap<string, Sha256Hex>;

/**
 * Writes `config.json`, two safetensors files with their index, and a tokenizer of bytes. The same model always gives
 * the same bytes.
 */
export async function writeModel(folder: string, model: NewModel, signal: AbortSignal): Promise<WrittenFiles> {
  await mkdir(folder, { recursive: true });
  const shards = halves(tensorSources(model));
  const written = new Map<string, Sha256Hex>();
  const names: Record<string, string> = {};
  for (const [index, tensors] of shards.entries()) {
    const name = `model-${fiveDigits(index + 1)}-of-${fiveDigits(shards.length)}.safetensors`;
    await rm(join(folder, name), { force: true });
    written.set(name, (await writeSafetensors(join(folder, name), tensors, signal)).sha256);
    for (const tensor of tensors) names[tensor.name] = name;
  }
  const total = shards.flat().reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const json = {
    "model.safetensors.index.json": { metadata: { total_size: total }, weight_map: names },
    ...byteTokenizerFiles(),
    "config.json": { ...modelConfigJson(model.config), torch_dtype: TORCH_DTYPES[model.dtype] },
  };
  for (const [name, content] of Object.entries(json)) {
    await writeFile(join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
  }
  return written;
}

/** @throws CliError `CLI_FOLDER_NOT_EMPTY` if the folder is there and holds anything. */
export async function refuseFullFolder(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  });
  if (names.length === 0) return;
  throw new CliError(CliErrorCode.FolderNotEmpty, "The folder is not empty; --force writes into it all the same", {
    fields: { folder, files: names.length },
  });
}

const TORCH_DTYPES: Readonly<Record<Float32Dtype, string>> = { F32: "float32", BF16: "bfloat16", F16: "float16" };

function tensorSources({ config, layout, dtype, seed }: NewModel): readonly TensorSource[] {
  return [...initialWeights(config, { layout, seed })].map(([name, { shape, values }]) => ({
    name,
    shape,
    dtype,
    chunks: () => [narrow(dtype, values)],
  }));
}

/** In two parts of about the same size, so that readers meet a model of several files. */
function halves(tensors: readonly TensorSource[]): readonly (readonly TensorSource[])[] {
  const total = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  let before = 0;
  const end = tensors.findIndex((tensor) => {
    before += tensorBytes(tensor);
    return before > total / 2;
  });
  return [tensors.slice(0, end), tensors.slice(end)].filter((part) => part.length > 0);
}

function fiveDigits(value: number): string {
  return String(value).padStart(5, "0");
}

import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FileDigest } from "@assay/checkpoint/digest";
import { float32Source, writeSafetensors } from "@assay/checkpoint/safetensors/write";
import type { ModelConfig } from "@assay/evaluation/model/config";
import { modelConfigJson } from "@assay/evaluation/model/config-json";
import type { ModelTensors } from "./tensors.ts";

/** Writes a model as a Hugging Face folder whose tokens are bytes. Files of an earlier model are replaced. */
export async function writeModelFolder(directory: string, config: ModelConfig, model: ModelTensors): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeJson(join(directory, "config.json"), modelConfigJson(config));
  await writeJson(join(directory, "tokenizer_config.json"), { tokenizer_class: "ByteTokenizer" });
  await writeTensors(join(directory, "model.safetensors"), model);
}

/** Writes tensors as one safetensors file, replacing what stands there. */
export async function writeTensors(path: string, tensors: ModelTensors): Promise<FileDigest> {
  await rm(path, { force: true });
  return await writeSafetensors(
    path,
    [...tensors].map(([name, { shape, values }]) => float32Source(name, shape, values)),
  );
}

async function writeJson(path: string, json: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(json, null, 2)}\n`);
}

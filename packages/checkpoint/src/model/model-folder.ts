import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { isSystemError, readJson } from "../atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { readPlaces, type TensorPlace } from "../safetensors/tensor-place.ts";

/** A Hugging Face model folder. */
export interface ModelFolder {
  readonly path: string;
  /** Names of the safetensors files that make up the model. */
  readonly weightFiles: readonly string[];
  /** Names of the files that go along unchanged: configuration and tokenizer. */
  readonly companions: readonly string[];
}

/**
 * Finds a model's files: those that `model.safetensors.index.json` names, or `model.safetensors` without an index. Other
 * safetensors files in the folder are not the model.
 *
 * @throws CheckpointError `CHECKPOINT_MODEL_INVALID` when `config.json` or the weights are missing.
 */
export async function findModelFiles(path: string): Promise<ModelFolder> {
  const names = new Set(await listFolder(path));
  const companions = COMPANIONS.filter((name) => names.has(name));
  if (!names.has("config.json")) throw invalid("Model folder has no config.json", { path });
  const index = await readIndex(path);
  const weightFiles = index === null ? [SINGLE_FILE] : [...new Set(index.values())];
  const missing = weightFiles.find((name) => !names.has(name));
  if (missing !== undefined || weightFiles.length === 0) {
    throw invalid("Model folder lacks its safetensors file, or one that its index names", { path, file: missing });
  }
  return { path, weightFiles: weightFiles.sort(), companions };
}

/**
 * Where every tensor of the model lies. Reads headers only, and checks them against the index, if there is one.
 *
 * @throws CheckpointError `CHECKPOINT_MODEL_INVALID` when index and files disagree or a tensor is in two files.
 */
export async function readWeights(folder: ModelFolder): Promise<ReadonlyMap<string, TensorPlace>> {
  const tensors = await readWeightFiles(folder.weightFiles.map((name) => join(folder.path, name)));
  checkIndex(await readIndex(folder.path), tensors);
  return tensors;
}

/** The tensors of several files. @throws CheckpointError `CHECKPOINT_MODEL_INVALID` when one is in two of them. */
export async function readWeightFiles(paths: readonly string[]): Promise<ReadonlyMap<string, TensorPlace>> {
  const tensors = new Map<string, TensorPlace>();
  for (const path of paths) {
    for (const [name, place] of await readPlaces(path)) {
      if (tensors.has(name)) throw invalid("A tensor is in two files", { tensor: name, path });
      tensors.set(name, place);
    }
  }
  return tensors;
}

const SINGLE_FILE = "model.safetensors";
const INDEX_FILE = "model.safetensors.index.json";
const COMPANIONS: readonly string[] = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "tokenizer.model",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "chat_template.jinja",
];
const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

async function listFolder(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) throw invalid("Model folder does not exist", { path });
    throw error;
  }
}

async function readIndex(path: string): Promise<ReadonlyMap<string, string> | null> {
  const index = await readJson(join(path, INDEX_FILE), indexSchema, CheckpointErrorCode.ModelInvalid);
  return index === null ? null : new Map(Object.entries(index.weight_map));
}

function checkIndex(index: ReadonlyMap<string, string> | null, tensors: ReadonlyMap<string, TensorPlace>): void {
  if (index === null) return;
  for (const [tensor, file] of index) {
    const place = tensors.get(tensor);
    if (place === undefined || basename(place.path) !== file) {
      throw invalid("The index names a file that does not hold the tensor", { tensor, file });
    }
  }
  const unnamed = [...tensors.keys()].find((name) => !index.has(name));
  if (unnamed !== undefined) throw invalid("A tensor is not in the index", { tensor: unnamed });
}

function invalid(message: string, fields: Readonly<Record<string, string | undefined>>): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.ModelInvalid, message, { fields });
}

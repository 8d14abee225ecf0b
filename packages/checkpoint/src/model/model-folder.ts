import { readdir, stat } from "node:fs/promises";
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

/** Size and time of a file, to notice that a folder is still the one that was read before. */
export interface FolderFile {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedMillis: number;
}

/**
 * Finds a model's files: those that `model.safetensors.index.json` names, or every `*.safetensors` without an index.
 *
 * @throws CheckpointError `CHECKPOINT_MODEL_INVALID` when `config.json` or the weights are missing.
 */
export async function findModelFiles(path: string): Promise<ModelFolder> {
  const names = new Set(await listFolder(path));
  const companions = COMPANIONS.filter((name) => names.has(name));
  if (!names.has("config.json")) throw invalid("Model folder has no config.json", { path });
  const index = await readIndex(path);
  const weightFiles =
    index === null ? [...names].filter((name) => name.endsWith(".safetensors")) : [...new Set(index.values())];
  if (weightFiles.length === 0) throw invalid("Model folder has no safetensors files", { path });
  const missing = weightFiles.find((name) => !names.has(name));
  if (missing !== undefined) throw invalid("A file that the index names is missing", { path, file: missing });
  return { path, weightFiles: weightFiles.sort(), companions };
}

/**
 * Where every tensor of the model lies. Reads headers only, and checks them against the index, if there is one.
 *
 * @throws CheckpointError `CHECKPOINT_MODEL_INVALID` when index and files disagree or a tensor is in two files.
 */
export async function readWeights(folder: ModelFolder): Promise<ReadonlyMap<string, TensorPlace>> {
  const tensors = new Map<string, TensorPlace>();
  for (const file of folder.weightFiles) {
    for (const [name, place] of await readPlaces(join(folder.path, file))) {
      if (tensors.has(name)) throw invalid("A tensor is in two files", { tensor: name, file });
      tensors.set(name, place);
    }
  }
  checkIndex(await readIndex(folder.path), tensors);
  return tensors;
}

/** The folder's files as they are now, ordered by name. */
export async function describeFiles(folder: ModelFolder): Promise<readonly FolderFile[]> {
  const names = [...folder.weightFiles, ...folder.companions].sort();
  return await Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs } = await stat(join(folder.path, name));
      return { name, bytes: size, modifiedMillis: Math.floor(mtimeMs) };
    }),
  );
}

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

function invalid(message: string, fields: Readonly<Record<string, string>>): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.ModelInvalid, message, { fields });
}

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { groupFileName, SHARED_FILE } from "@assay/checkpoint/layout";
import { type Float32Tensor, readTensors } from "@assay/checkpoint/safetensors/read";
import type { ExpertGroup } from "@assay/core/units";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import type { ModelConfig } from "../model/config.ts";
import { parseModelConfig } from "../model/config-json.ts";
import { expertOf, modelTensors } from "../model/tensor-names.ts";
import { Tensor } from "../onnx/runtime.ts";
import { readConfig } from "../text/held-out-text.ts";

/** Weights by name, each a view of the buffer that its file was read into. */
export type Weights = ReadonlyMap<string, Tensor>;

/** A version of the global model, whole in memory. */
export interface BaseModel {
  readonly config: ModelConfig;
  readonly weights: Weights;
  /** In ascending order. */
  readonly groups: ReadonlyMap<ExpertGroup, GroupLayout>;
}

export interface GroupLayout {
  readonly names: readonly string[];
  /** The group's experts in each layer, ascending. */
  readonly experts: readonly (readonly number[])[];
}

const GROUP_FILE = /^group-(\d+)\.safetensors$/;

/**
 * Reads `config.json`, `shared.safetensors` and every `group-<g>.safetensors` of a version's folder.
 *
 * Which expert belongs to which group is read from the files, so any assignment works.
 *
 * @throws EvaluationError `EVALUATION_MODEL_INVALID` if the tensors are not those of the configuration,
 *   `EVALUATION_MODEL_UNSUPPORTED` as {@link parseModelConfig} says; CheckpointError for unreadable files.
 */
export async function loadBaseModel(directory: string, signal: AbortSignal): Promise<BaseModel> {
  const config = parseModelConfig(await readConfig(directory));
  const weights = new Map(await readWeights(join(directory, SHARED_FILE), signal));
  const groups = new Map<ExpertGroup, GroupLayout>();
  for (const group of await groupsIn(directory)) {
    const file = groupFileName(group);
    const tensors = await readWeights(join(directory, file), signal);
    groups.set(group, layoutOf([...tensors.keys()], config.layers, file));
    for (const [name, tensor] of tensors) weights.set(name, tensor);
  }
  checkComplete(config, weights, directory);
  return { config, weights, groups };
}

/**
 * Views of a submission's tensors, to be looked up before the base's.
 *
 * @throws EvaluationError `EVALUATION_SUBMISSION_CHANGED` if they are not the group's tensors: inspection accepted
 *   them, so this is not the miner's doing.
 */
export function overlayOf(tensors: ReadonlyMap<string, Float32Tensor>, base: BaseModel, layout: GroupLayout): Weights {
  const fits = (name: string) => sameShape(tensors.get(name)?.shape, base.weights.get(name)?.dims);
  if (tensors.size !== layout.names.length || !layout.names.every(fits)) {
    throw new EvaluationError(EvaluationErrorCode.SubmissionChanged, "Submission does not hold its group's tensors", {
      fields: { tensors: tensors.size, expected: layout.names.length },
    });
  }
  return asTensors(tensors);
}

/** Ascending: tokens add their experts in this order, on every validator. */
async function groupsIn(directory: string): Promise<readonly ExpertGroup[]> {
  const matches = (await readdir(directory)).map((file) => GROUP_FILE.exec(file));
  return matches.flatMap((match) => (match === null ? [] : [Number(match[1])])).sort((left, right) => left - right);
}

async function readWeights(path: string, signal: AbortSignal): Promise<Weights> {
  return asTensors((await readTensors(path, { signal })).tensors);
}

function asTensors(tensors: ReadonlyMap<string, Float32Tensor>): Weights {
  return new Map([...tensors].map(([name, { shape, values }]) => [name, new Tensor("float32", values, shape)]));
}

function layoutOf(names: readonly string[], layers: number, file: string): GroupLayout {
  const experts = Array.from({ length: layers }, () => new Set<number>());
  for (const name of names) {
    const expert = expertOf(name);
    const layer = expert === null ? undefined : experts[expert.layer];
    if (expert === null || layer === undefined)
      throw invalid("Group holds a tensor of no expert", { file, tensor: name });
    layer.add(expert.index);
  }
  return { names, experts: experts.map((layer) => [...layer].sort((left, right) => left - right)) };
}

function checkComplete(config: ModelConfig, weights: Weights, directory: string): void {
  const expected = modelTensors(config);
  for (const { name, shape } of expected) {
    const dims = weights.get(name)?.dims;
    if (dims === undefined) throw invalid("Tensor is missing", { directory, tensor: name });
    if (!sameShape(dims, shape)) {
      throw invalid("Tensor has another shape than the configuration gives", {
        directory,
        tensor: name,
        shape: dims.join("x"),
        expected: shape.join("x"),
      });
    }
  }
  if (weights.size === expected.length) return;
  const known = new Set(expected.map(({ name }) => name));
  const tensor = [...weights.keys()].find((name) => !known.has(name));
  throw invalid("Tensor is not part of the configuration", { directory, tensor });
}

function sameShape(left: readonly number[] | undefined, right: readonly number[] | undefined): boolean {
  return left !== undefined && right !== undefined && left.join() === right.join();
}

function invalid(message: string, fields: Readonly<Record<string, string | undefined>>): EvaluationError {
  return new EvaluationError(EvaluationErrorCode.ModelInvalid, message, { fields });
}

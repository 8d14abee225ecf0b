import type { ExpertGroups } from "@assay/checkpoint/model/expert-groups";
import { type GroupLayout, type ModelSource, openModelSource } from "@assay/checkpoint/model/model-source";
import { elementCount, type TensorShape, tensorBytes } from "@assay/checkpoint/safetensors/dtype";
import { isFloat32Dtype } from "@assay/checkpoint/safetensors/widen";
import { encodeHeader, inCanonicalOrder } from "@assay/checkpoint/safetensors/write";
import { type AppError, type ErrorFields, isAppError } from "@assay/core/app-error";
import type { ExpertGroup } from "@assay/core/units";
import { modelUnits } from "@assay/evaluation/engine/model-places";
import { EvaluationError, EvaluationErrorCode } from "@assay/evaluation/evaluation-error";
import type { ModelConfig } from "@assay/evaluation/model/config";
import { parseModelConfig } from "@assay/evaluation/model/config-json";
import { describeModel, type ModelDescription } from "@assay/evaluation/model/description";
import { type ExpertTensorLayout, expertTensorLayout } from "@assay/evaluation/model/expert-layout";
import { loadTokenizer } from "@assay/evaluation/text/tokenizer";
import type { EstimatedModel } from "./estimate.ts";
import { bytesByDtype, bytesOf, parametersOf, summarise, type TensorSummary } from "./tensor-summary.ts";
import { parametersPerToken } from "./work.ts";

/** Why a model cannot be evaluated. */
export interface ModelProblem {
  readonly code: string;
  readonly message: string;
  readonly fields: ErrorFields;
}

/** One expert group as a slice or submission. */
export interface GroupSummary {
  readonly group: ExpertGroup;
  /** How many experts of each layer; a list where layers differ. */
  readonly expertsPerLayer: readonly number[];
  readonly tensors: number;
  readonly parameters: number;
  /** Size of the file. */
  readonly bytes: number;
}

/** What a model's files hold. Everything but `path`, `parameters`, `bytes` and lists may be unknown (null). */
export interface ModelInspection {
  readonly path: string;
  /** Transformers' name of the class. */
  readonly architecture: string | null;
  readonly layers: number | null;
  readonly routedLayers: number;
  /** How many experts a layer has; a list where layers differ. */
  readonly expertsPerLayer: readonly number[];
  readonly expertsPerToken: number | null;
  readonly expertTensors: ExpertTensorLayout | null;
  readonly hiddenSize: number | null;
  readonly vocabularySize: number | null;
  readonly files: number;
  readonly bytesByDtype: Readonly<Record<string, number>>;
  readonly parameters: { readonly all: number; readonly shared: number; readonly perToken: number | null };
  /** Of values; headers are not counted. */
  readonly bytes: { readonly all: number; readonly shared: number; readonly experts: number };
  readonly groups: readonly GroupSummary[];
  /** Everything that is no routed expert's; `used` tells what a text model computes with. */
  readonly shared: readonly (TensorSummary & { readonly used: boolean })[];
  /** Empty for a model that can be evaluated. */
  readonly problems: readonly ModelProblem[];
}

/** A model's inspection, and what estimates need of it; null when it cannot be evaluated. */
export interface InspectedModel {
  readonly inspection: ModelInspection;
  readonly model: EstimatedModel | null;
}

/**
 * Looks at a model without reading its values.
 *
 * @throws CheckpointError if the folder is not a model's, or cannot be cut into these groups.
 */
export async function inspectModel(path: string, groups: ExpertGroups | null): Promise<InspectedModel> {
  const source = await openModelSource(path, groups === null ? {} : { groups });
  const problems: ModelProblem[] = [];
  const config = noting(problems, () => parseModelConfig(source.config));
  const layout = config === null ? null : noting(problems, () => expertTensorLayout(config, firstExpert(source)));
  const description = config === null || layout === null ? null : describeModel(config, layout);
  if (config !== null && description !== null) noting(problems, () => modelUnits(source, config, description));
  noting(problems, () => checkDtypes(source));
  await loadTokenizer(source.directory).catch((error: unknown) => problems.push(problemOf(error)));
  const inspection = summary(source, { config, layout, description, problems });
  const complete = config !== null && description !== null && problems.length === 0;
  return { inspection, model: complete ? { source, config, description } : null };
}

interface Understood {
  readonly config: ModelConfig | null;
  readonly layout: ExpertTensorLayout | null;
  readonly description: ModelDescription | null;
  readonly problems: readonly ModelProblem[];
}

function summary(source: ModelSource, { config, layout, description, problems }: Understood): ModelInspection {
  const used = description === null || config === null ? null : usedNames(config, description);
  const shared = [true, false].flatMap((wanted) => {
    const chosen = [...source.shared].filter(([name]) => (used?.has(name) ?? true) === wanted);
    return summarise(chosen).map((kind) => ({ ...kind, used: wanted }));
  });
  const experts = summarise(expertTensors(source));
  return {
    path: source.directory,
    architecture: architectureOf(source.config),
    layers: config?.layers ?? null,
    routedLayers: source.experts.layers.size,
    expertsPerLayer: distinct(source.experts.layers.values()),
    expertsPerToken: config?.expertsPerToken ?? null,
    expertTensors: layout,
    hiddenSize: config?.hiddenSize ?? null,
    vocabularySize: config?.vocabularySize ?? null,
    files: new Set([...source.shared.values(), ...expertPlaces(source)].map((place) => place.path)).size,
    bytesByDtype: Object.fromEntries(bytesByDtype([...shared, ...experts])),
    parameters: {
      all: parametersOf(shared) + parametersOf(experts),
      shared: parametersOf(shared),
      perToken: config === null || description === null ? null : parametersPerToken(config, description),
    },
    bytes: { all: bytesOf(shared) + bytesOf(experts), shared: bytesOf(shared), experts: bytesOf(experts) },
    groups: [...source.groups].map(([group, each]) => groupSummary(group, each)),
    shared,
    problems,
  };
}

function groupSummary(group: ExpertGroup, { tensors, experts }: GroupLayout): GroupSummary {
  const named = inCanonicalOrder([...tensors].map(([name, tensor]) => ({ name, ...tensor })));
  return {
    group,
    expertsPerLayer: distinct([...experts.values()].map(({ length }) => length)),
    tensors: tensors.size,
    parameters: [...tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0),
    bytes: named.reduce((sum, tensor) => sum + tensorBytes(tensor), encodeHeader(named).length),
  };
}

/** Names of the shared tensors that a text model computes with. */
function usedNames(config: ModelConfig, description: ModelDescription): ReadonlySet<string> {
  const layers = Array.from({ length: config.layers }, (_, index) => description.layer(index));
  const weights = [
    description.embedding,
    ...layers.flatMap(({ attention, dense }) => [...attention, ...(dense ?? [])]),
    ...description.head,
  ];
  return new Set(weights.map(({ tensor }) => tensor));
}

function* expertTensors({ experts }: ModelSource): Generator<readonly [string, TensorShape]> {
  for (const [layer, count] of experts.layers) {
    for (let expert = 0; expert < count; expert += 1) yield* experts.of(layer, expert);
  }
}

function expertPlaces({ experts }: ModelSource) {
  return [...experts.layers].flatMap(([layer, count]) =>
    Array.from({ length: count }, (_, expert) => [...experts.of(layer, expert).values()]).flat(),
  );
}

function firstExpert({ experts }: ModelSource) {
  const [layer] = experts.layers.keys();
  if (layer !== undefined) return experts.of(layer, 0);
  throw new EvaluationError(EvaluationErrorCode.ModelInvalid, "Model has no routed experts");
}

function checkDtypes(source: ModelSource): void {
  for (const [tensor, { dtype }] of [...source.shared, ...expertTensors(source)]) {
    if (isFloat32Dtype(dtype)) continue;
    throw new EvaluationError(EvaluationErrorCode.ModelUnsupported, `Model needs dtype ${dtype}`, {
      fields: { feature: "dtype", value: dtype, tensor },
    });
  }
}

function architectureOf(config: unknown): string | null {
  if (typeof config !== "object" || config === null || !("architectures" in config)) return null;
  return Array.isArray(config.architectures) ? config.architectures.join(", ") : null;
}

function noting<T>(problems: ModelProblem[], look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    problems.push(problemOf(error));
    return null;
  }
}

/** Bugs are not problems of the model. */
function problemOf(error: unknown): ModelProblem {
  if (!isAppError(error)) throw error;
  const { code, message, fields }: AppError = error;
  return { code, message, fields };
}

function distinct(counts: Iterable<number>): readonly number[] {
  const all = [...counts];
  return new Set(all).size > 1 ? all : all.slice(0, 1);
}

import type { ExpertPlaces } from "@assay/checkpoint/model/expert-places";
import type { GroupLayout, ModelSource } from "@assay/checkpoint/model/model-source";
import type { TensorPlace } from "@assay/checkpoint/safetensors/tensor-place";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import type { ModelConfig } from "../model/config.ts";
import type { LayerDescription, ModelDescription } from "../model/description.ts";
import type { ExpertTensorLayout } from "../model/expert-layout.ts";
import { unknownTensors } from "../model/tensor-names.ts";
import type { WeightInput } from "../model/weight-input.ts";
import type { Places } from "./tensor-reader.ts";

/** Names under which a layer's tensors are looked up. */
export const attentionKey = (input: string): string => `attention.${input}`;
export const denseKey = (input: string): string => `dense.${input}`;
export const expertKey = (expert: number, input: string): string => `expert.${expert}.${input}`;

/**
 * Where each tensor that is computed with lies: one unit per layer, and after them the head.
 *
 * @throws EvaluationError `EVALUATION_MODEL_INVALID` for a tensor that is missing or has another shape than the
 *   configuration gives.
 */
export function modelUnits(source: ModelSource, config: ModelConfig, description: ModelDescription): readonly Places[] {
  const layers = Array.from({ length: config.layers }, (_, layer) => {
    const described = description.layer(layer);
    checkExpertCount(source, layer, described.expert === null ? 0 : config.experts);
    return layerUnit(source, layer, described);
  });
  const head = new Map(description.head.map((weight) => [weight.input, sharedPlace(source, weight)]));
  return [...layers, head];
}

/**
 * Refuses a model with a shared tensor that the configuration does not use: it would be computed without it.
 *
 * @throws EvaluationError `EVALUATION_MODEL_INVALID` naming the first such tensor.
 */
export function checkTensorNames({ shared }: ModelSource, config: ModelConfig, layout: ExpertTensorLayout): void {
  const [tensor] = unknownTensors(config, layout, shared.keys());
  if (tensor !== undefined) throw invalid("Tensor is not part of the configuration", { tensor });
}

/** Where the table lies that tokens look their rows up in. */
export function embeddingPlace(source: ModelSource, description: ModelDescription): TensorPlace {
  return sharedPlace(source, description.embedding);
}

/** The same units for a submission: its group's experts and nothing else. */
export function submissionUnits(
  slice: Pick<ExpertPlaces, "of">,
  layout: GroupLayout,
  config: ModelConfig,
  description: ModelDescription,
): readonly Places[] {
  return Array.from({ length: config.layers }, (_, layer) =>
    expertPlaces(slice, layer, layout.experts.get(layer) ?? [], description.layer(layer)),
  );
}

function checkExpertCount({ experts }: ModelSource, layer: number, expected: number): void {
  const count = experts.layers.get(layer) ?? 0;
  if (count === expected) return;
  throw invalid("Layer has another number of experts than the configuration gives", {
    layer: String(layer),
    experts: String(count),
    expected: String(expected),
  });
}

function layerUnit(source: ModelSource, layer: number, description: LayerDescription): Places {
  const { attention, dense } = description;
  const experts = Array.from({ length: source.experts.layers.get(layer) ?? 0 }, (_, expert) => expert);
  return new Map([
    ...attention.map((weight) => [attentionKey(weight.input), sharedPlace(source, weight)] as const),
    ...(dense ?? []).map((weight) => [denseKey(weight.input), sharedPlace(source, weight)] as const),
    ...expertPlaces(source.experts, layer, experts, description),
  ]);
}

function expertPlaces(
  places: Pick<ExpertPlaces, "of">,
  layer: number,
  experts: readonly number[],
  { expert: weightsOf }: LayerDescription,
): Places {
  if (weightsOf === null) return new Map();
  return new Map(
    experts.flatMap((expert) => {
      const tensors = places.of(layer, expert);
      return weightsOf(expert).map(
        (weight) => [expertKey(expert, weight.input), checked(weight, tensors.get(weight.tensor))] as const,
      );
    }),
  );
}

function sharedPlace({ shared }: ModelSource, weight: WeightInput): TensorPlace {
  return checked(weight, shared.get(weight.tensor));
}

function checked({ tensor, shape }: WeightInput, place: TensorPlace | undefined): TensorPlace {
  if (place === undefined) throw invalid("Tensor is missing", { tensor });
  if (place.shape.join() === shape.join()) return place;
  throw invalid("Tensor has another shape than the configuration gives", {
    tensor,
    shape: place.shape.join("x"),
    expected: shape.join("x"),
  });
}

function invalid(message: string, fields: Readonly<Record<string, string>>): EvaluationError {
  return new EvaluationError(EvaluationErrorCode.ModelInvalid, message, { fields });
}

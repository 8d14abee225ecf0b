import type { ModelConfig } from "./config.ts";
import type { ExpertTensorLayout } from "./expert-layout.ts";
import { EMBEDDING, expertNames, FINAL_NORM, HEAD, layerNames, stackedExpertNames } from "./names.ts";

/** One float32 input of a graph. */
export interface GraphInput {
  readonly input: string;
  readonly shape: readonly number[];
}

/** Names of a graph's input and of the tensor that feeds it. */
export interface WeightInput extends GraphInput {
  readonly tensor: string;
}

/** What makes a layer's `attentionGraph`; layers of equal kind share one. */
export interface AttentionKind {
  /** Whether the layer chooses experts. */
  readonly routed: boolean;
  /** How many tokens a token sees, itself included; null for all before it. */
  readonly window: number | null;
}

/** Weights of one layer, and which graphs take them. */
export interface LayerDescription {
  readonly kind: AttentionKind;
  /** Inputs of `attentionGraph`: norms, projections, and the router where the layer routes. */
  readonly attention: readonly WeightInput[];
  /** Inputs of `denseGraph`: the feed-forward of a dense layer, or the shared experts of a routing one; null without. */
  readonly dense: readonly WeightInput[] | null;
  /** What `denseGraph` takes, since layers may differ; null without. */
  readonly denseIntermediateSize: number | null;
  /**
   * Null for a dense layer. Inputs of `expertGroupGraph` for one expert, without the slot's suffix; shapes without the
   * stacking dimension.
   */
  readonly expert: ((index: number) => readonly WeightInput[]) | null;
}

/** Every weight of a model by the graph input that it feeds. Inputs are float32. */
export interface ModelDescription {
  /** The table that tokens look their rows up in; no graph takes it. */
  readonly embedding: WeightInput;
  /** Inputs of `headGraph`: final norm and head (with tied embeddings the embedding table). */
  readonly head: readonly WeightInput[];
  /** @throws RangeError for a layer that the model does not have (a caller's bug). */
  layer(index: number): LayerDescription;
}

const EVERY_LAYER: AttentionKind = { routed: true, window: null };

/** Which tensor feeds which input, for a model whose files hold its experts in this layout. */
export function describeModel(config: ModelConfig, layout: ExpertTensorLayout): ModelDescription {
  const { vocabularySize, hiddenSize, tiedEmbeddings } = config;
  const table = [vocabularySize, hiddenSize];
  return {
    embedding: { input: "embedding", tensor: EMBEDDING, shape: table },
    head: [
      { input: "norm", tensor: FINAL_NORM, shape: [hiddenSize] },
      { input: "head", tensor: tiedEmbeddings ? EMBEDDING : HEAD, shape: table },
    ],
    layer(index) {
      if (!Number.isSafeInteger(index) || index < 0 || index >= config.layers) {
        throw new RangeError(`The model has ${config.layers} layers, none ${index}`);
      }
      return {
        kind: EVERY_LAYER,
        attention: attentionWeights(config, EVERY_LAYER, index),
        dense: null,
        denseIntermediateSize: null,
        expert: (expert) => expertWeights(config, layout, index, expert),
      };
    },
  };
}

/** Inputs of one expert in `expertGroupGraph`, without the slot's suffix. */
export function expertInputs(config: ModelConfig, layout: ExpertTensorLayout): readonly GraphInput[] {
  const { hiddenSize, expertIntermediateSize } = config;
  if (layout === "stacked_in_out") {
    return [
      { input: "gate_up", shape: [hiddenSize, 2 * expertIntermediateSize] },
      { input: "down", shape: [expertIntermediateSize, hiddenSize] },
    ];
  }
  if (layout === "stacked_out_in") {
    return [
      { input: "gate_up", shape: [2 * expertIntermediateSize, hiddenSize] },
      { input: "down", shape: [hiddenSize, expertIntermediateSize] },
    ];
  }
  return denseInputs(config, expertIntermediateSize);
}

/** Inputs of `denseGraph`. */
export function denseInputs({ hiddenSize }: ModelConfig, intermediateSize: number): readonly GraphInput[] {
  return [
    { input: "gate", shape: [intermediateSize, hiddenSize] },
    { input: "up", shape: [intermediateSize, hiddenSize] },
    { input: "down", shape: [hiddenSize, intermediateSize] },
  ];
}

/** Inputs of one layer's `attentionGraph`. */
export function attentionWeights(
  config: ModelConfig,
  { routed }: AttentionKind,
  layer: number,
): readonly WeightInput[] {
  const { hiddenSize, headDim, experts } = config;
  const names = layerNames(layer);
  const queryWidth = config.attentionHeads * headDim;
  const keyValueWidth = config.keyValueHeads * headDim;
  return [
    { input: "inputNorm", tensor: names.inputNorm, shape: [hiddenSize] },
    { input: "query", tensor: names.query, shape: [queryWidth, hiddenSize] },
    { input: "key", tensor: names.key, shape: [keyValueWidth, hiddenSize] },
    { input: "value", tensor: names.value, shape: [keyValueWidth, hiddenSize] },
    { input: "output", tensor: names.output, shape: [hiddenSize, queryWidth] },
    { input: "queryNorm", tensor: names.queryNorm, shape: [headDim] },
    { input: "keyNorm", tensor: names.keyNorm, shape: [headDim] },
    { input: "feedForwardNorm", tensor: names.feedForwardNorm, shape: [hiddenSize] },
    ...(routed ? [{ input: "router", tensor: names.router, shape: [experts, hiddenSize] }] : []),
  ];
}

function expertWeights(
  config: ModelConfig,
  layout: ExpertTensorLayout,
  layer: number,
  expert: number,
): readonly WeightInput[] {
  const names = layout === "per_expert" ? expertNames(layer, expert) : stackedExpertNames(layer);
  const tensors: Readonly<Record<string, string>> = { ...names };
  return expertInputs(config, layout).map(({ input, shape }) => ({ input, shape, tensor: tensors[input] ?? "" }));
}

import type { ModelConfig } from "./config.ts";
import type { ExpertTensorLayout } from "./expert-layout.ts";
import { groupedAttentionInputs } from "./grouped-attention.ts";
import { latentAttentionInputs } from "./latent-attention.ts";
import { denseNames, embeddingName, expertNames, finalNormName, HEAD, layerPrefix, routerName } from "./names.ts";
import type { GraphInput, WeightInput } from "./weight-input.ts";

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

/** Which tensor feeds which input, for a model whose files hold its experts in this layout. */
export function describeModel(config: ModelConfig, layout: ExpertTensorLayout): ModelDescription {
  const { vocabularySize, hiddenSize, tiedEmbeddings } = config;
  const table = [vocabularySize, hiddenSize];
  return {
    embedding: { input: "embedding", tensor: embeddingName(config), shape: table },
    head: [
      { input: "norm", tensor: finalNormName(config), shape: [hiddenSize] },
      { input: "head", tensor: tiedEmbeddings ? embeddingName(config) : HEAD, shape: table },
    ],
    layer(index) {
      if (!Number.isSafeInteger(index) || index < 0 || index >= config.layers) {
        throw new RangeError(`The model has ${config.layers} layers, none ${index}`);
      }
      return describeLayer(config, layout, index);
    },
  };
}

/** Inputs of the `attentionGraph` of layers of this kind, each with the ending of its tensor's name. */
export function attentionInputs(config: ModelConfig, { routed }: AttentionKind): readonly WeightInput[] {
  const { attention, hiddenSize, experts } = config;
  return [
    { input: "inputNorm", tensor: "input_layernorm.weight", shape: [hiddenSize] },
    ...(attention.kind === "grouped"
      ? groupedAttentionInputs(config, attention)
      : latentAttentionInputs(config, attention)),
    { input: "feedForwardNorm", tensor: "post_attention_layernorm.weight", shape: [hiddenSize] },
    ...(routed ? [{ input: "router", tensor: "gate.weight", shape: [experts, hiddenSize] }] : []),
  ];
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

function describeLayer(config: ModelConfig, layout: ExpertTensorLayout, layer: number): LayerDescription {
  const routed = !config.denseLayers.includes(layer);
  const kind = { routed, window: config.attention.kind === "grouped" ? config.attention.window : null };
  const denseIntermediateSize = routed ? config.sharedIntermediateSize : config.denseIntermediateSize;
  const dense = denseIntermediateSize === null ? null : denseInputs(config, denseIntermediateSize);
  const expert = (index: number) => named(expertInputs(config, layout), expertNames(config, layout, layer, index));
  return {
    kind,
    attention: attentionInputs(config, kind).map(({ input, tensor, shape }) => ({
      input,
      tensor: input === "router" ? routerName(config, layout, layer) : `${layerPrefix(config, layer)}.${tensor}`,
      shape,
    })),
    dense: dense && named(dense, denseNames(config, layer, routed ? "shared" : "own")),
    denseIntermediateSize,
    expert: routed ? expert : null,
  };
}

function named(inputs: readonly GraphInput[], names: Readonly<Record<string, string>>): readonly WeightInput[] {
  return inputs.map(({ input, shape }) => {
    const tensor = names[input];
    if (tensor === undefined) throw new RangeError(`No tensor feeds ${input}`);
    return { input, tensor, shape };
  });
}

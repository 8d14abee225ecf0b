import type { ExpertGroup } from "@assay/core/units";
import type { ModelConfig } from "./config.ts";

/** One tensor of a model. Matrices are stored as Hugging Face stores them: `[outputs, inputs]`, row-major. */
export interface ModelTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Which routed expert the tensor belongs to; null for everything that the groups share. */
  readonly expert: { readonly layer: number; readonly index: number } | null;
}

export const EMBEDDING = "model.embed_tokens.weight";
export const FINAL_NORM = "model.norm.weight";
export const HEAD = "lm_head.weight";

/** Every tensor of a model, in the order in which it is used. Tied embeddings leave out the head. */
export function modelTensors(config: ModelConfig): readonly ModelTensor[] {
  const { vocabularySize, hiddenSize } = config;
  const layers = Array.from({ length: config.layers }, (_, layer) => layerTensors(config, layer));
  return [
    shared(EMBEDDING, vocabularySize, hiddenSize),
    ...layers.flat(),
    shared(FINAL_NORM, hiddenSize),
    ...(config.tiedEmbeddings ? [] : [shared(HEAD, vocabularySize, hiddenSize)]),
  ];
}

/**
 * Which group each expert is in: the experts of a layer in order, cut into equal blocks.
 *
 * @throws RangeError if the groups cannot be equal (a caller's bug).
 */
export function expertGroup(config: ModelConfig, groups: number, expert: number): ExpertGroup {
  if (!Number.isSafeInteger(groups) || groups < 1 || config.experts % groups !== 0) {
    throw new RangeError(`${config.experts} experts cannot be cut into ${groups} equal groups`);
  }
  return Math.floor(expert / (config.experts / groups));
}

/** The tensors of one expert group: what a miner of that group trains and submits. */
export function groupTensors(config: ModelConfig, groups: number, group: ExpertGroup): readonly ModelTensor[] {
  return modelTensors(config).filter(({ expert }) => expert && expertGroup(config, groups, expert.index) === group);
}

/** The tensors that no expert group trains. */
export function sharedTensors(config: ModelConfig): readonly ModelTensor[] {
  return modelTensors(config).filter(({ expert }) => expert === null);
}

/** Names of one layer's shared tensors, by what they do. */
export interface LayerNames {
  readonly inputNorm: string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly output: string;
  readonly queryNorm: string;
  readonly keyNorm: string;
  readonly expertNorm: string;
  readonly router: string;
}

/** Names of one expert's three matrices. */
export interface ExpertNames {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

/** Hugging Face's names of one layer's shared tensors. */
export function layerNames(layer: number): LayerNames {
  const prefix = `model.layers.${layer}`;
  return {
    inputNorm: `${prefix}.input_layernorm.weight`,
    query: `${prefix}.self_attn.q_proj.weight`,
    key: `${prefix}.self_attn.k_proj.weight`,
    value: `${prefix}.self_attn.v_proj.weight`,
    output: `${prefix}.self_attn.o_proj.weight`,
    queryNorm: `${prefix}.self_attn.q_norm.weight`,
    keyNorm: `${prefix}.self_attn.k_norm.weight`,
    expertNorm: `${prefix}.post_attention_layernorm.weight`,
    router: `${prefix}.mlp.gate.weight`,
  };
}

/** Hugging Face's names of one routed expert's matrices. */
export function expertNames(layer: number, expert: number): ExpertNames {
  const prefix = `model.layers.${layer}.mlp.experts.${expert}`;
  return {
    gate: `${prefix}.gate_proj.weight`,
    up: `${prefix}.up_proj.weight`,
    down: `${prefix}.down_proj.weight`,
  };
}

const EXPERT_NAME = /^model\.layers\.(\d+)\.mlp\.experts\.(\d+)\.(?:gate|up|down)_proj\.weight$/;

/** Which routed expert a tensor of this name belongs to; null if it is none's. */
export function expertOf(name: string): { readonly layer: number; readonly index: number } | null {
  const match = EXPERT_NAME.exec(name);
  return match === null ? null : { layer: Number(match[1]), index: Number(match[2]) };
}

function layerTensors(config: ModelConfig, layer: number): readonly ModelTensor[] {
  const { hiddenSize, headDim, experts } = config;
  const queryWidth = config.attentionHeads * headDim;
  const keyValueWidth = config.keyValueHeads * headDim;
  const names = layerNames(layer);
  return [
    shared(names.inputNorm, hiddenSize),
    shared(names.query, queryWidth, hiddenSize),
    shared(names.key, keyValueWidth, hiddenSize),
    shared(names.value, keyValueWidth, hiddenSize),
    shared(names.output, hiddenSize, queryWidth),
    shared(names.queryNorm, headDim),
    shared(names.keyNorm, headDim),
    shared(names.expertNorm, hiddenSize),
    shared(names.router, experts, hiddenSize),
    ...Array.from({ length: experts }, (_, index) => expertTensors(config, layer, index)).flat(),
  ];
}

function expertTensors(config: ModelConfig, layer: number, index: number): readonly ModelTensor[] {
  const { hiddenSize, expertIntermediateSize } = config;
  const names = expertNames(layer, index);
  const expert = { layer, index };
  return [
    { name: names.gate, shape: [expertIntermediateSize, hiddenSize], expert },
    { name: names.up, shape: [expertIntermediateSize, hiddenSize], expert },
    { name: names.down, shape: [hiddenSize, expertIntermediateSize], expert },
  ];
}

function shared(name: string, ...shape: readonly number[]): ModelTensor {
  return { name, shape, expert: null };
}

import { type ConfigJson, type ModelType, required, type TextConfigJson } from "./config-json.ts";
import type { RoutedFeedForward } from "./experts.ts";
import type { GroupedAttention } from "./grouped-attention.ts";
import type { LatentAttention } from "./latent-attention.ts";
import type { Rope } from "./rotary.ts";

/** What a `config.json` says about the computation. */
export interface Definition {
  /** What names of all tensors but the head's start with. */
  readonly prefix: string;
  readonly layers: number;
  readonly epsilon: number;
  /** Whether the embedding table is the output head as well. */
  readonly tiedEmbeddings: boolean;
  readonly attention: GroupedAttention | LatentAttention;
  /** By layer; null for a dense one. */
  readonly feedForward: (layer: number) => RoutedFeedForward | null;
}

/** Defaults are those that the configurations of Transformers have, where a published file may leave a field out. */
export function definitionOf(config: unknown): Definition {
  const json = config as ConfigJson;
  return readers[json.model_type](json);
}

const readers: Readonly<Record<ModelType, (config: ConfigJson) => Definition>> = {
  qwen3_moe: (config) => qwen3(config),
  qwen3_vl_moe: qwen3Vision,
  mixtral,
  olmoe,
  deepseek_v2: deepseek,
};

/**
 * A window holds in all layers: `max_window_layers`, which published files have, is not looked at.
 *
 * @see Transformers `configuration_qwen3_moe.py`, `Qwen3MoeDecoderLayer`, `Qwen3MoeModel.forward`
 */
function qwen3(config: TextConfigJson): Definition {
  const { mlp_only_layers: dense = [], decoder_sparse_step: step = 1 } = config;
  const window = config.use_sliding_window ? (config.sliding_window ?? null) : null;
  const attention = grouped(config, { epsilon: 1e-6, theta: 10_000 });
  const feedForward: RoutedFeedForward = {
    routing: softmaxRouting(config, config.norm_topk_prob ?? false),
    shared: false,
  };
  return {
    ...common(config, 1e-6),
    attention: {
      ...attention,
      queryKeyNorm: "head",
      window,
    },
    feedForward: (layer) => (dense.includes(layer) || (layer + 1) % step !== 0 ? null : feedForward),
  };
}

/**
 * The language model of a vision model. Shares are always divided by their sum, there is no window.
 *
 * @see Transformers `modeling_qwen3_vl_moe.py`, `Qwen3VLMoeTextSparseMoeBlock`
 */
function qwen3Vision({ text_config: text = {}, tie_word_embeddings: tied = false }: ConfigJson): Definition {
  return {
    ...qwen3({ ...text, norm_topk_prob: true, use_sliding_window: false }),
    prefix: "model.language_model.",
    tiedEmbeddings: tied,
  };
}

/** @see Transformers `configuration_mixtral.py`, `MixtralSparseMoeBlock` */
function mixtral(config: TextConfigJson): Definition {
  const feedForward = { routing: softmaxRouting(config, true), shared: false };
  return {
    ...common(config, 1e-5),
    attention: {
      ...grouped({ ...config, attention_bias: false }, { epsilon: 1e-5, theta: 1e6 }),
      window: config.sliding_window ?? null,
    },
    feedForward: () => feedForward,
  };
}

/** @see Transformers `configuration_olmoe.py`, `OlmoeAttention` */
function olmoe(config: TextConfigJson): Definition {
  const feedForward = { routing: softmaxRouting(config, config.norm_topk_prob ?? false), shared: false };
  return {
    ...common(config, 1e-5),
    attention: {
      ...grouped(config, { epsilon: 1e-5, theta: 10_000 }),
      queryKeyNorm: "projection",
      clip: config.clip_qkv ?? null,
    },
    feedForward: () => feedForward,
  };
}

/** @see `modeling_deepseek.py` and `configuration_deepseek.py`, published with the weights of DeepSeek-V2 */
function deepseek(config: TextConfigJson): Definition {
  const { first_k_dense_replace: firstDense = 0, moe_layer_freq: frequency = 1 } = config;
  const rotaryWidth = required(config, "qk_rope_head_dim");
  const attention: LatentAttention = {
    kind: "latent",
    heads: required(config, "num_attention_heads"),
    latentQueries: config.q_lora_rank != null,
    latentWidth: required(config, "kv_lora_rank"),
    plainWidth: required(config, "qk_nope_head_dim"),
    rotaryWidth,
    valueWidth: required(config, "v_head_dim"),
    bias: config.attention_bias ?? false,
    rope: ropeOf(config, { dimensions: rotaryWidth, theta: 10_000 }),
  };
  const expertsPerToken = required(config, "num_experts_per_tok");
  const grouped = config.topk_method === "group_limited_greedy";
  const feedForward: RoutedFeedForward = {
    routing: {
      experts: required(config, "n_routed_experts"),
      expertsPerToken,
      normalize: expertsPerToken > 1 && (config.norm_topk_prob ?? false),
      scale: config.routed_scaling_factor ?? 1,
      groups: grouped ? { count: required(config, "n_group"), chosen: required(config, "topk_group") } : null,
    },
    shared: config.n_shared_experts != null,
  };
  return {
    ...common(config, 1e-6),
    attention,
    feedForward: (layer) => (layer < firstDense || layer % frequency !== 0 ? null : feedForward),
  };
}

function common(config: TextConfigJson, epsilon: number) {
  return {
    prefix: "model.",
    layers: required(config, "num_hidden_layers"),
    epsilon: config.rms_norm_eps ?? epsilon,
    tiedEmbeddings: config.tie_word_embeddings ?? false,
  };
}

function grouped(
  config: TextConfigJson,
  { epsilon, theta }: { readonly epsilon: number; readonly theta: number },
): GroupedAttention {
  const heads = required(config, "num_attention_heads");
  const headWidth = config.head_dim ?? required(config, "hidden_size") / heads;
  return {
    kind: "grouped",
    heads,
    keyValueHeads: config.num_key_value_heads ?? heads,
    headWidth,
    bias: config.attention_bias ?? false,
    queryKeyNorm: null,
    clip: null,
    rope: ropeOf(config, { dimensions: headWidth, theta }),
    window: null,
    epsilon: config.rms_norm_eps ?? epsilon,
  };
}

function ropeOf(config: TextConfigJson, { dimensions, theta }: Pick<Rope, "dimensions" | "theta">): Rope {
  const scaling = config.rope_parameters ?? config.rope_scaling ?? {};
  return {
    theta: config.rope_parameters?.rope_theta ?? config.rope_theta ?? theta,
    dimensions,
    maxPositions: config.max_position_embeddings ?? Number.POSITIVE_INFINITY,
    scaling,
  };
}

function softmaxRouting(config: TextConfigJson, normalize: boolean): RoutedFeedForward["routing"] {
  return {
    experts: config.num_local_experts ?? required(config, "num_experts"),
    expertsPerToken: required(config, "num_experts_per_tok"),
    normalize,
    scale: 1,
    groups: null,
  };
}

import { BASE_CONFIGS, type Fields, withFields } from "./base-configs.ts";
import type { ConfigJson, ModelType } from "./config-json.ts";

/** A configuration that uses an option, and what an engine that does not know the option would take it for. */
export interface ModelCase {
  readonly type: ModelType;
  readonly option: string;
  readonly fields: Fields;
  readonly config: ConfigJson;
  /** Null where the option shows in the tensors' names or shapes, so that it cannot be overlooked. */
  readonly ignored: ConfigJson | null;
}

/** Tokens that the options are made for: windows are shorter, scaled positions matter. */
export const SEQUENCE_LENGTH = 20;
/** With these weights every option changes the mean loss by more than 1e-3. */
export const MODEL_SEED = 12;

/** Fields of an option; then those that an engine would go by that overlooks it. */
type Option = readonly [option: string, fields: Fields, ignored: Fields | null];

const LLAMA3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
const YARN = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 64 };
// biome-ignore lint/suspicious/noApproximativeNumericConstant: the number in DeepSeek-V2's files, not the root of 1/2
const PUBLISHED_MSCALE = 0.707;
/** As the published files of DeepSeek-V2 spell it. */
const LATENT_YARN = { type: "yarn", factor: 40, original_max_position_embeddings: 64, beta_fast: 32, beta_slow: 1 };

/** Transformers 5 moves all settings of positions when it writes a configuration. */
const REWRITTEN = {
  rope_theta: undefined,
  rope_scaling: undefined,
  rope_parameters: { rope_type: "default", rope_theta: 10_000 },
} as const;

/** Shared by all that rotate whole heads. */
const ROPE_OPTIONS: readonly Option[] = [
  ["another theta", { rope_theta: 50 }, { rope_theta: 10_000 }],
  ["linear scaling", { rope_scaling: { rope_type: "linear", factor: 4 } }, { rope_scaling: null }],
  ["linear scaling, spelt type", { rope_scaling: { type: "linear", factor: 2.5 } }, { rope_scaling: null }],
  [
    "dynamic scaling of a sequence longer than the model's",
    { rope_theta: 100, max_position_embeddings: 8, rope_scaling: { rope_type: "dynamic", factor: 4 } },
    { rope_scaling: null },
  ],
  [
    "dynamic scaling of a shorter sequence",
    { max_position_embeddings: 64, rope_scaling: { rope_type: "dynamic", factor: 4 } },
    null,
  ],
  ["llama3 scaling", { rope_theta: 100, rope_scaling: { ...LLAMA3, rope_type: "llama3" } }, { rope_scaling: null }],
  ["yarn", { rope_theta: 100, rope_scaling: YARN }, { rope_scaling: null }],
  [
    "yarn from the model's own length",
    { rope_theta: 100, max_position_embeddings: 64, rope_scaling: { rope_type: "yarn", factor: 4 } },
    { rope_scaling: { ...YARN, original_max_position_embeddings: 4096 } },
  ],
  [
    "yarn with other bounds",
    { rope_theta: 100, rope_scaling: { ...YARN, beta_fast: 2, beta_slow: 0.25 } },
    { rope_scaling: YARN },
  ],
  [
    "yarn with a given magnitude",
    { rope_theta: 100, rope_scaling: { ...YARN, attention_factor: 1.6 } },
    { rope_scaling: YARN },
  ],
  [
    "yarn with mscale and mscale_all_dim",
    { rope_theta: 100, rope_scaling: { ...YARN, mscale: 4, mscale_all_dim: 0.5 } },
    { rope_scaling: YARN },
  ],
  [
    "yarn with bounds that are no integers",
    { rope_theta: 100, rope_scaling: { ...YARN, truncate: false } },
    { rope_scaling: YARN },
  ],
  [
    "rope_parameters with scaling",
    { rope_theta: undefined, rope_scaling: undefined, rope_parameters: { ...YARN, rope_theta: 100 } },
    { rope_theta: 100, rope_parameters: undefined, rope_scaling: null },
  ],
  [
    "rope_parameters without scaling",
    { rope_theta: undefined, rope_scaling: undefined, rope_parameters: { rope_type: "default", rope_theta: 50 } },
    { rope_theta: 10_000, rope_parameters: undefined },
  ],
];

const OPTIONS: Readonly<Record<ModelType, readonly Option[]>> = {
  qwen3_moe: [
    ["as small as it gets", {}, null],
    ["a head of keys for every head of queries", { num_key_value_heads: 4 }, null],
    ["one head of keys", { num_key_value_heads: 1 }, null],
    ["no head_dim", { head_dim: undefined }, null],
    [
      "no rope_theta, no rms_norm_eps, no norm_topk_prob",
      { rope_theta: undefined, rms_norm_eps: undefined, norm_topk_prob: undefined },
      null,
    ],
    ["another epsilon", { rms_norm_eps: 0.05 }, { rms_norm_eps: 1e-6 }],
    ["shares as they are", { norm_topk_prob: false }, { norm_topk_prob: true }],
    ["one expert per token", { num_experts_per_tok: 1, norm_topk_prob: false }, { norm_topk_prob: true }],
    ["all experts per token", { num_experts_per_tok: 4 }, { num_experts_per_tok: 2 }],
    ["attention bias", { attention_bias: true }, { attention_bias: false }],
    ["tied embeddings", { tie_word_embeddings: true }, null],
    ["a layer without experts by list", { mlp_only_layers: [0] }, null],
    ["a layer without experts by step", { decoder_sparse_step: 2, num_hidden_layers: 3 }, null],
    [
      "a window in all layers, whatever max_window_layers says",
      { use_sliding_window: true, sliding_window: 6, max_window_layers: 1 },
      { use_sliding_window: false },
    ],
    [
      "a window, no max_window_layers",
      { use_sliding_window: true, sliding_window: 5, max_window_layers: undefined },
      { use_sliding_window: false },
    ],
    [
      "a window that is switched off",
      { use_sliding_window: false, sliding_window: 4, max_window_layers: 0 },
      { use_sliding_window: true },
    ],
    ["fields as Transformers 5 writes them", { ...REWRITTEN, num_experts: undefined, num_local_experts: 4 }, null],
    ...ROPE_OPTIONS,
  ],
  qwen3_vl_moe: [
    ["as small as it gets", {}, null],
    ["tied embeddings", { tie_word_embeddings: true }, null],
    ["no norm_topk_prob, which changes nothing", { norm_topk_prob: undefined }, null],
    ["attention bias", { attention_bias: true }, { attention_bias: false }],
    ["a layer without experts", { mlp_only_layers: [1] }, null],
    [
      "fields as Transformers 5 writes them",
      {
        ...REWRITTEN,
        num_experts: undefined,
        num_local_experts: 4,
        rope_parameters: { ...REWRITTEN.rope_parameters, mrope_interleaved: true, mrope_section: [2, 2, 2] },
      },
      null,
    ],
    ["another theta", { rope_theta: 50 }, { rope_theta: 10_000 }],
    [
      "rope_parameters",
      {
        rope_theta: undefined,
        rope_scaling: undefined,
        rope_parameters: { mrope_interleaved: true, mrope_section: [2, 2, 2], rope_type: "default", rope_theta: 50 },
      },
      { rope_theta: 10_000, rope_parameters: undefined },
    ],
    [
      "yarn",
      { rope_theta: 100, rope_scaling: { ...YARN, mrope_interleaved: true, mrope_section: [2, 2, 2] } },
      { rope_scaling: null },
    ],
  ],
  mixtral: [
    ["as small as it gets", {}, null],
    ["no rope_theta, no rms_norm_eps", { rope_theta: undefined, rms_norm_eps: undefined }, null],
    ["fields as Transformers 5 writes them", { ...REWRITTEN, head_dim: 6 }, null],
    ["a width of heads that is null", { head_dim: null }, null],
    ["a given width of heads", { head_dim: 8 }, null],
    ["a window", { sliding_window: 6 }, { sliding_window: null }],
    ["a window as long as the sequence", { sliding_window: SEQUENCE_LENGTH }, null],
    ["one expert per token", { num_experts_per_tok: 1 }, { num_experts_per_tok: 2 }],
    ["tied embeddings", { tie_word_embeddings: true }, null],
    ...ROPE_OPTIONS.filter(([option]) => /^(linear scaling|llama3|yarn|rope_parameters with scaling)$/.test(option)),
  ],
  olmoe: [
    ["as small as it gets", {}, null],
    ["a head of keys for two heads of queries", { num_key_value_heads: 2 }, null],
    ["no num_key_value_heads", { num_key_value_heads: undefined }, null],
    ["fields as Transformers 5 writes them", REWRITTEN, null],
    ["clipped queries, keys and values", { clip_qkv: 0.6 }, { clip_qkv: null }],
    ["attention bias", { attention_bias: true }, { attention_bias: false }],
    ["attention bias and clipping", { attention_bias: true, clip_qkv: 0.6 }, { clip_qkv: null }],
    ["shares divided by their sum", { norm_topk_prob: true }, { norm_topk_prob: false }],
    ["tied embeddings", { tie_word_embeddings: true }, null],
    ...ROPE_OPTIONS.filter(([option]) => /^(linear scaling|dynamic|yarn$)/.test(option)),
  ],
  deepseek_v2: [
    ["as small as it gets", {}, null],
    ["fields as Transformers 5 writes them", { ...REWRITTEN, head_dim: 8, qk_head_dim: 14 }, null],
    ["queries from a narrow vector", { q_lora_rank: 14 }, null],
    ["attention bias", { attention_bias: true }, { attention_bias: false }],
    [
      "attention bias and queries from a narrow vector",
      { attention_bias: true, q_lora_rank: 14 },
      { attention_bias: false },
    ],
    ["another epsilon, but not for the latent norms", { rms_norm_eps: 0.05, q_lora_rank: 14 }, { rms_norm_eps: 1e-6 }],
    ["scaled shares", { routed_scaling_factor: 16 }, { routed_scaling_factor: 1 }],
    [
      "shares divided by their sum, and so not scaled",
      { norm_topk_prob: true, routed_scaling_factor: 2.5 },
      { norm_topk_prob: false },
    ],
    [
      "one expert per token, and so scaled",
      { num_experts_per_tok: 1, norm_topk_prob: true, routed_scaling_factor: 3 },
      { routed_scaling_factor: 1 },
    ],
    [
      "experts from the best groups only",
      { topk_method: "group_limited_greedy", n_group: 4, topk_group: 2 },
      { topk_method: "greedy" },
    ],
    [
      "experts from the best groups, all options of routing",
      {
        topk_method: "group_limited_greedy",
        n_group: 2,
        topk_group: 1,
        norm_topk_prob: true,
        routed_scaling_factor: 16,
      },
      { topk_method: "greedy" },
    ],
    ["one shared expert", { n_shared_experts: 1 }, null],
    ["no shared experts", { n_shared_experts: null }, null],
    ["no dense layers", { first_k_dense_replace: 0 }, null],
    ["experts in every second layer", { first_k_dense_replace: 1, moe_layer_freq: 2 }, null],
    ["tied embeddings", { tie_word_embeddings: true }, null],
    ["another theta", { rope_theta: 50 }, { rope_theta: 10_000 }],
    ["linear scaling", { rope_scaling: { type: "linear", factor: 4 } }, { rope_scaling: null }],
    [
      "dynamic scaling of a sequence longer than the model's",
      { rope_theta: 100, max_position_embeddings: 8, rope_scaling: { type: "dynamic", factor: 4 } },
      { rope_scaling: null },
    ],
    [
      "yarn as published",
      { rope_theta: 100, rope_scaling: { ...LATENT_YARN, mscale: PUBLISHED_MSCALE, mscale_all_dim: PUBLISHED_MSCALE } },
      { rope_scaling: null },
    ],
    [
      "yarn, whose mscale_all_dim scales the scores",
      { rope_theta: 100, rope_scaling: { ...LATENT_YARN, mscale: PUBLISHED_MSCALE, mscale_all_dim: PUBLISHED_MSCALE } },
      { rope_scaling: { ...LATENT_YARN, mscale: 0, mscale_all_dim: 0 } },
    ],
    [
      "yarn with another mscale than mscale_all_dim",
      { rope_theta: 100, rope_scaling: { ...LATENT_YARN, mscale: 1.4, mscale_all_dim: 0.7 } },
      { rope_scaling: { ...LATENT_YARN, mscale: 0.7, mscale_all_dim: 0.7 } },
    ],
    [
      "yarn with mscale alone",
      { rope_theta: 100, rope_scaling: { ...LATENT_YARN, mscale: 0.5 } },
      { rope_scaling: { ...LATENT_YARN, mscale: 1 } },
    ],
    [
      "yarn in rope_parameters",
      {
        rope_theta: undefined,
        rope_scaling: undefined,
        rope_parameters: {
          rope_type: "yarn",
          factor: 40,
          original_max_position_embeddings: 64,
          mscale: PUBLISHED_MSCALE,
          mscale_all_dim: PUBLISHED_MSCALE,
          rope_theta: 100,
        },
      },
      { rope_theta: 100, rope_parameters: undefined },
    ],
  ],
};

/** Every option of every architecture. */
export const MODEL_CASES: readonly ModelCase[] = (Object.keys(OPTIONS) as ModelType[]).flatMap((type) =>
  OPTIONS[type].map(([option, fields, ignored]) => {
    const config = withFields(BASE_CONFIGS[type], fields);
    return { type, option, fields, config, ignored: ignored === null ? null : withFields(config, ignored) };
  }),
);

export const MODEL_TYPES: readonly ModelType[] = Object.keys(OPTIONS) as ModelType[];

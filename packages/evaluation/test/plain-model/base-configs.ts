import type { ConfigJson, ModelType, TextConfigJson } from "./config-json.ts";

const VOCABULARY = 256;

/** The smallest configuration of each architecture, in the fields and spelling of its published files. */
export const BASE_CONFIGS: Readonly<Record<ModelType, ConfigJson>> = {
  qwen3_moe: {
    model_type: "qwen3_moe",
    architectures: ["Qwen3MoeForCausalLM"],
    ...commonFields(),
    num_key_value_heads: 2,
    head_dim: 8,
    attention_bias: false,
    use_sliding_window: false,
    sliding_window: null,
    max_window_layers: 48,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    intermediate_size: 40,
    moe_intermediate_size: 12,
    num_experts: 4,
    num_experts_per_tok: 2,
    norm_topk_prob: true,
    decoder_sparse_step: 1,
    mlp_only_layers: [],
  },
  qwen3_vl_moe: {
    model_type: "qwen3_vl_moe",
    architectures: ["Qwen3VLMoeForConditionalGeneration"],
    tie_word_embeddings: false,
    text_config: {
      ...commonFields(),
      num_key_value_heads: 2,
      head_dim: 12,
      attention_bias: false,
      rms_norm_eps: 1e-6,
      rope_theta: 5e6,
      rope_scaling: { mrope_interleaved: true, mrope_section: [2, 2, 2], rope_type: "default" },
      intermediate_size: 40,
      moe_intermediate_size: 20,
      num_experts: 4,
      num_experts_per_tok: 2,
      norm_topk_prob: true,
      decoder_sparse_step: 1,
      mlp_only_layers: [],
    },
  },
  mixtral: {
    model_type: "mixtral",
    architectures: ["MixtralForCausalLM"],
    ...commonFields(),
    num_key_value_heads: 2,
    sliding_window: null,
    rms_norm_eps: 1e-5,
    rope_theta: 1e6,
    intermediate_size: 20,
    num_local_experts: 4,
    num_experts_per_tok: 2,
  },
  olmoe: {
    model_type: "olmoe",
    architectures: ["OlmoeForCausalLM"],
    ...commonFields(),
    num_key_value_heads: 4,
    attention_bias: false,
    clip_qkv: null,
    rms_norm_eps: 1e-5,
    rope_scaling: null,
    rope_theta: 10_000,
    intermediate_size: 12,
    num_experts: 4,
    num_experts_per_tok: 2,
    norm_topk_prob: false,
  },
  deepseek_v2: {
    model_type: "deepseek_v2",
    architectures: ["DeepseekV2ForCausalLM"],
    ...commonFields(),
    num_hidden_layers: 3,
    num_key_value_heads: 4,
    attention_bias: false,
    q_lora_rank: null,
    kv_lora_rank: 10,
    qk_nope_head_dim: 6,
    qk_rope_head_dim: 8,
    v_head_dim: 10,
    rms_norm_eps: 1e-6,
    rope_scaling: null,
    rope_theta: 10_000,
    intermediate_size: 40,
    moe_intermediate_size: 12,
    n_routed_experts: 8,
    n_shared_experts: 2,
    num_experts_per_tok: 3,
    norm_topk_prob: false,
    scoring_func: "softmax",
    routed_scaling_factor: 1,
    topk_method: "greedy",
    n_group: 1,
    topk_group: 1,
    first_k_dense_replace: 1,
    moe_layer_freq: 1,
  },
};

/** Fields of which those that are undefined are left out of the file. */
export type Fields = { readonly [Field in keyof TextConfigJson]: TextConfigJson[Field] | undefined };

/** A configuration with other fields; a vision model's are those of its language model, but for the tied head. */
export function withFields(config: ConfigJson, fields: Fields): ConfigJson {
  const { text_config: text } = config;
  if (text === undefined) return defined({ ...config, ...fields });
  const { tie_word_embeddings: tied = config.tie_word_embeddings, ...others } = fields;
  return defined({ ...config, tie_word_embeddings: tied, text_config: defined({ ...text, ...others }) });
}

function defined<T>(fields: { readonly [Field in keyof T]: T[Field] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

function commonFields(): TextConfigJson {
  return {
    hidden_act: "silu",
    vocab_size: VOCABULARY,
    hidden_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    max_position_embeddings: 64,
    tie_word_embeddings: false,
  };
}

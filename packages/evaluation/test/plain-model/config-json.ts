import type { RopeScaling } from "./rotary.ts";

export type ModelType = "qwen3_moe" | "qwen3_vl_moe" | "mixtral" | "olmoe" | "deepseek_v2";

/** The fields of a `config.json` that change the loss, as the files on the hub spell them. */
export interface ConfigJson extends TextConfigJson {
  readonly model_type: ModelType;
  /** The language model's part of a vision model's configuration. */
  readonly text_config?: TextConfigJson;
}

export interface TextConfigJson {
  readonly architectures?: readonly string[];
  readonly hidden_act?: string;
  readonly vocab_size?: number;
  readonly hidden_size?: number;
  readonly num_hidden_layers?: number;
  readonly rms_norm_eps?: number;
  readonly tie_word_embeddings?: boolean;
  readonly max_position_embeddings?: number;

  readonly num_attention_heads?: number;
  readonly num_key_value_heads?: number;
  readonly head_dim?: number | null;
  readonly attention_bias?: boolean;
  readonly clip_qkv?: number | null;
  readonly sliding_window?: number | null;
  readonly use_sliding_window?: boolean;
  /** Without effect. */
  readonly max_window_layers?: number;
  readonly q_lora_rank?: number | null;
  readonly kv_lora_rank?: number;
  readonly qk_nope_head_dim?: number;
  readonly qk_rope_head_dim?: number;
  readonly v_head_dim?: number;
  /** Without effect: it follows from the two above. */
  readonly qk_head_dim?: number;

  readonly rope_theta?: number;
  readonly rope_scaling?: (RopeScaling & MultimodalRope) | null;
  /** Where newer Transformers keep all settings of rotary positions. */
  readonly rope_parameters?: RopeScaling & MultimodalRope & { readonly rope_theta?: number };

  readonly intermediate_size?: number;
  readonly moe_intermediate_size?: number;
  readonly num_experts?: number;
  readonly num_local_experts?: number;
  readonly n_routed_experts?: number;
  readonly n_shared_experts?: number | null;
  readonly num_experts_per_tok?: number;
  readonly norm_topk_prob?: boolean;
  readonly scoring_func?: string;
  readonly routed_scaling_factor?: number;
  readonly topk_method?: string;
  readonly n_group?: number | null;
  readonly topk_group?: number | null;
  readonly decoder_sparse_step?: number;
  readonly mlp_only_layers?: readonly number[];
  readonly first_k_dense_replace?: number;
  readonly moe_layer_freq?: number;
}

/** For text all three positions of a token are the same, so that these change nothing. */
interface MultimodalRope {
  readonly mrope_interleaved?: boolean;
  readonly mrope_section?: readonly number[];
}

/** A field that has no default. */
export function required(config: TextConfigJson, field: keyof TextConfigJson): number {
  const value = config[field];
  if (typeof value !== "number") throw new RangeError(`${field} is ${JSON.stringify(value)}`);
  return value;
}

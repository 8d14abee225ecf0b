import { EvaluationError, EvaluationErrorCode } from "../../evaluation-error.ts";

/** The fields of `config.json`, and of the objects in it, that decide what a model computes. */
export type Field =
  | "architectures"
  | "attention_bias"
  | "attention_factor"
  | "beta_fast"
  | "beta_slow"
  | "clip_qkv"
  | "decoder_sparse_step"
  | "factor"
  | "first_k_dense_replace"
  | "head_dim"
  | "hidden_act"
  | "hidden_size"
  | "high_freq_factor"
  | "intermediate_size"
  | "kv_lora_rank"
  | "layer_types"
  | "low_freq_factor"
  | "max_position_embeddings"
  | "mlp_bias"
  | "mlp_only_layers"
  | "model_type"
  | "moe_intermediate_size"
  | "moe_layer_freq"
  | "mscale"
  | "mscale_all_dim"
  | "n_group"
  | "n_routed_experts"
  | "n_shared_experts"
  | "norm_topk_prob"
  | "num_attention_heads"
  | "num_experts"
  | "num_experts_per_tok"
  | "num_hidden_layers"
  | "num_key_value_heads"
  | "num_local_experts"
  | "original_max_position_embeddings"
  | "partial_rotary_factor"
  | "q_lora_rank"
  | "qk_nope_head_dim"
  | "qk_rope_head_dim"
  | "quantization_config"
  | "rms_norm_eps"
  | "rope_parameters"
  | "rope_scaling"
  | "rope_theta"
  | "rope_type"
  | "routed_scaling_factor"
  | "scoring_func"
  | "sliding_window"
  | "text_config"
  | "tie_word_embeddings"
  | "topk_group"
  | "topk_method"
  | "truncate"
  | "type"
  | "use_sliding_window"
  | "v_head_dim"
  | "vocab_size";

/** An object of `config.json`, not yet checked. */
export type Json = Readonly<Partial<Record<Field, unknown>>>;

export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param byDefault what Transformers takes for a missing field; left out for sizes that have to be given. */
export function size(json: Json, field: Field, byDefault?: number): number {
  const value = json[field] ?? byDefault;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) {
    throw invalid(field, `is ${JSON.stringify(json[field])}, not a positive integer`);
  }
  return value;
}

/** A size that may be null or missing. */
export function optionalSize(json: Json, field: Field): number | null {
  return json[field] == null ? null : size(json, field);
}

export function positive(json: Json, field: Field, byDefault?: number): number {
  const value = json[field] ?? byDefault;
  if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) {
    throw invalid(field, `is ${JSON.stringify(json[field])}, not a positive number`);
  }
  return value;
}

export function optionalPositive(json: Json, field: Field): number | null {
  return json[field] == null ? null : positive(json, field);
}

export function flag(json: Json, field: Field, byDefault = false): boolean {
  const value = json[field] ?? byDefault;
  if (typeof value !== "boolean") throw invalid(field, `is ${JSON.stringify(value)}, not true or false`);
  return value;
}

/** Indices of layers, ascending. */
export function layerList(json: Json, field: Field, layers: number): readonly number[] {
  const value = json[field] ?? [];
  const isLayer = (entry: unknown): entry is number => Number.isSafeInteger(entry) && Number(entry) >= 0;
  if (!Array.isArray(value) || !value.every(isLayer)) {
    throw invalid(field, `is ${JSON.stringify(value)}, not a list of layers`);
  }
  return [...new Set(value)].filter((layer) => layer < layers).sort((left, right) => left - right);
}

/** Refuses the first feature whose value we cannot compute with. */
export function refuse(
  features: readonly (readonly [feature: Field | "routed_layers", value: unknown, supported: boolean])[],
): void {
  for (const [feature, value, supported] of features) {
    if (!supported) throw unsupported(feature, value);
  }
}

export function unsupported(feature: string, value: unknown): EvaluationError {
  const shown = JSON.stringify(value) ?? "missing";
  return new EvaluationError(EvaluationErrorCode.ModelUnsupported, `Model needs ${feature} ${shown}`, {
    fields: { feature, value: shown },
  });
}

export function invalid(field: Field | "config.json", problem: string): EvaluationError {
  return new EvaluationError(EvaluationErrorCode.ModelInvalid, `Model's ${field} ${problem}`, { fields: { field } });
}

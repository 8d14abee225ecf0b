import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";

/** Shape of a Mixture-of-Experts language model with Qwen3-MoE's architecture; every layer routes to experts. */
export interface ModelConfig {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly attentionHeads: number;
  /** Heads of keys and values; each serves `attentionHeads / keyValueHeads` heads of queries. */
  readonly keyValueHeads: number;
  /** Width of one head; `attentionHeads * headDim` may differ from `hiddenSize`. */
  readonly headDim: number;
  readonly experts: number;
  readonly expertsPerToken: number;
  /** Width of one expert's hidden layer. */
  readonly expertIntermediateSize: number;
  /** Whether the weights of a token's chosen experts are divided by their sum. */
  readonly normalizeTopK: boolean;
  readonly rmsNormEpsilon: number;
  readonly ropeTheta: number;
  /** Whether the output head is the embedding table. */
  readonly tiedEmbeddings: boolean;
}

/** The fields of `config.json` that decide what a model computes, not yet checked. */
type Field =
  | "architectures"
  | "attention_bias"
  | "decoder_sparse_step"
  | "head_dim"
  | "hidden_act"
  | "hidden_size"
  | "mlp_only_layers"
  | "model_type"
  | "moe_intermediate_size"
  | "norm_topk_prob"
  | "num_attention_heads"
  | "num_experts"
  | "num_experts_per_tok"
  | "num_hidden_layers"
  | "num_key_value_heads"
  | "quantization_config"
  | "rms_norm_eps"
  | "rope_parameters"
  | "rope_scaling"
  | "rope_theta"
  | "tie_word_embeddings"
  | "use_sliding_window"
  | "vocab_size";
export type ModelConfigJson = Readonly<Partial<Record<Field, unknown>>>;
type RopeParameters = Readonly<Partial<Record<"rope_type" | "type" | "rope_theta", unknown>>>;

const ARCHITECTURE = "Qwen3MoeForCausalLM";

/**
 * Reads a Hugging Face `config.json`.
 *
 * Values that Transformers would take by default are taken here too where the published models leave them out; the
 * sizes have to be given.
 *
 * @throws EvaluationError `EVALUATION_MODEL_UNSUPPORTED` naming the first architecture or feature that we cannot
 *   compute exactly, `EVALUATION_MODEL_INVALID` naming the first field that is missing, ill-typed or contradictory.
 * @see https://github.com/huggingface/transformers `models/qwen3_moe/configuration_qwen3_moe.py`
 */
export function parseModelConfig(json: unknown): ModelConfig {
  if (!isJson(json)) throw invalid("config.json", "is not an object");
  refuseUnsupported(json);
  const hiddenSize = size(json, "hidden_size");
  const attentionHeads = size(json, "num_attention_heads");
  const config: ModelConfig = {
    vocabularySize: size(json, "vocab_size"),
    hiddenSize,
    layers: size(json, "num_hidden_layers"),
    attentionHeads,
    keyValueHeads: size(json, "num_key_value_heads"),
    headDim: json.head_dim == null ? hiddenSize / attentionHeads : size(json, "head_dim"),
    experts: size(json, "num_experts"),
    expertsPerToken: size(json, "num_experts_per_tok"),
    expertIntermediateSize: size(json, "moe_intermediate_size"),
    normalizeTopK: flag(json, "norm_topk_prob"),
    rmsNormEpsilon: positive(json, "rms_norm_eps", 1e-6),
    ropeTheta: positive(ropeParameters(json) ?? json, "rope_theta", 10_000),
    tiedEmbeddings: flag(json, "tie_word_embeddings"),
  };
  checkSizes(config);
  return config;
}

/** The `config.json` that {@link parseModelConfig} reads as this configuration. */
export function modelConfigJson(config: ModelConfig): ModelConfigJson {
  return {
    architectures: [ARCHITECTURE],
    model_type: "qwen3_moe",
    hidden_act: "silu",
    attention_bias: false,
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.attentionHeads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headDim,
    num_experts: config.experts,
    num_experts_per_tok: config.expertsPerToken,
    moe_intermediate_size: config.expertIntermediateSize,
    norm_topk_prob: config.normalizeTopK,
    rms_norm_eps: config.rmsNormEpsilon,
    rope_theta: config.ropeTheta,
    tie_word_embeddings: config.tiedEmbeddings,
  };
}

function refuseUnsupported(json: ModelConfigJson): void {
  const architectures = json.architectures;
  const only = Array.isArray(architectures) && architectures.length === 1 && architectures[0] === ARCHITECTURE;
  if (!only) throw unsupported("architectures", architectures);
  const rope = ropeParameters(json);
  const ropeType = rope?.rope_type ?? rope?.type ?? "default";
  const refused: readonly (readonly [feature: string, value: unknown, supported: boolean])[] = [
    ["hidden_act", json.hidden_act, (json.hidden_act ?? "silu") === "silu"],
    ["attention_bias", json.attention_bias, !json.attention_bias],
    ["use_sliding_window", json.use_sliding_window, !json.use_sliding_window],
    ["rope_scaling", json.rope_scaling ?? json.rope_parameters, ropeType === "default"],
    ["decoder_sparse_step", json.decoder_sparse_step, (json.decoder_sparse_step ?? 1) === 1],
    ["mlp_only_layers", json.mlp_only_layers, isEmptyList(json.mlp_only_layers)],
    ["quantization_config", json.quantization_config, json.quantization_config == null],
  ];
  for (const [feature, value, supported] of refused) {
    if (!supported) throw unsupported(feature, value);
  }
}

/** Older files scale positions under `rope_scaling`; newer ones keep everything about positions in `rope_parameters`. */
function ropeParameters(json: ModelConfigJson): RopeParameters | null {
  const parameters = json.rope_parameters ?? json.rope_scaling;
  if (!isJson(parameters)) return null;
  return { rope_theta: json.rope_theta, ...parameters };
}

function checkSizes(config: ModelConfig): void {
  const { attentionHeads, keyValueHeads, headDim, experts, expertsPerToken } = config;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) throw invalid("head_dim", `is ${headDim}, not an even integer`);
  if (attentionHeads % keyValueHeads !== 0) {
    throw invalid(
      "num_key_value_heads",
      `is ${keyValueHeads}, which does not divide ${attentionHeads} attention heads`,
    );
  }
  if (expertsPerToken > experts) {
    throw invalid("num_experts_per_tok", `is ${expertsPerToken}, more than the ${experts} experts there are`);
  }
}

function size(json: ModelConfigJson, field: Field): number {
  const value = json[field];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) {
    throw invalid(field, `is ${JSON.stringify(value)}, not a positive integer`);
  }
  return value;
}

function positive(json: Partial<Record<string, unknown>>, field: string, byDefault: number): number {
  const value = json[field] ?? byDefault;
  if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) {
    throw invalid(field, `is ${JSON.stringify(value)}, not a positive number`);
  }
  return value;
}

function flag(json: ModelConfigJson, field: Field): boolean {
  const value = json[field] ?? false;
  if (typeof value !== "boolean") throw invalid(field, `is ${JSON.stringify(value)}, not true or false`);
  return value;
}

function isJson(value: unknown): value is ModelConfigJson & RopeParameters {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmptyList(value: unknown): boolean {
  return value == null || (Array.isArray(value) && value.length === 0);
}

function unsupported(feature: string, value: unknown): EvaluationError {
  const shown = JSON.stringify(value) ?? "missing";
  return new EvaluationError(EvaluationErrorCode.ModelUnsupported, `Model needs ${feature} ${shown}`, {
    fields: { feature, value: shown },
  });
}

function invalid(field: string, problem: string): EvaluationError {
  return new EvaluationError(EvaluationErrorCode.ModelInvalid, `Model's ${field} ${problem}`, { fields: { field } });
}

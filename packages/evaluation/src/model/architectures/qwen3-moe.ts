import type { GroupedAttention, ModelConfig } from "../config.ts";
import { headsJson, parseExperts, parseHeads, plainRouting } from "./common.ts";
import { flag, invalid, isJson, type Json, layerList, optionalSize, positive, refuse, size } from "./fields.ts";
import { parseRotary, rotaryJson } from "./rotary.ts";

/**
 * Qwen3-MoE.
 *
 * A window holds in all layers. Published files have `max_window_layers`, which Transformers (4.57, 5.18) does not look
 * at for this architecture.
 *
 * @see https://github.com/huggingface/transformers `models/qwen3_moe/{configuration,modeling}_qwen3_moe.py`
 */
export function parseQwen3Moe(json: Json): ModelConfig {
  const window = parseWindow(json);
  const config: ModelConfig = {
    ...parseText(json, 10_000),
    architecture: "qwen3_moe",
    routing: plainRouting(flag(json, "norm_topk_prob")),
    tiedEmbeddings: flag(json, "tie_word_embeddings"),
  };
  const layerTypes = json.layer_types;
  const expected = Array.from({ length: config.layers }, () =>
    window === null ? "full_attention" : "sliding_attention",
  );
  refuse([["layer_types", layerTypes, layerTypes == null || JSON.stringify(layerTypes) === JSON.stringify(expected)]]);
  return { ...config, attention: { ...groupedAttention(json), window } };
}

/**
 * The language model inside Qwen3-VL-MoE, in `text_config`. On text alone its three-dimensional positions are equal, so
 * that it turns as any other; it always divides shares by their sum and has no window.
 *
 * @see https://github.com/huggingface/transformers `models/qwen3_vl_moe/modular_qwen3_vl_moe.py`
 */
export function parseQwen3VlMoe(json: Json): ModelConfig {
  const text = json.text_config;
  if (!isJson(text)) throw invalid("text_config", "is not an object");
  refuse([["quantization_config", text.quantization_config, text.quantization_config == null]]);
  return {
    ...parseText(text, 500_000),
    architecture: "qwen3_vl_moe",
    routing: plainRouting(true),
    tiedEmbeddings: flag(json, "tie_word_embeddings", flag(text, "tie_word_embeddings")),
  };
}

export function qwen3MoeJson(config: ModelConfig): Json {
  return { ...textJson(config), norm_topk_prob: config.routing.normalizeTopK };
}

export function qwen3VlMoeJson(config: ModelConfig): Json {
  const { tie_word_embeddings, ...text } = textJson(config);
  return { tie_word_embeddings, text_config: { model_type: "qwen3_vl_moe_text", ...text } };
}

function parseText(json: Json, theta: number): Omit<ModelConfig, "architecture" | "routing" | "tiedEmbeddings"> {
  refuse([["hidden_act", json.hidden_act, (json.hidden_act ?? "silu") === "silu"]]);
  const layers = size(json, "num_hidden_layers");
  const denseLayers = parseDenseLayers(json, layers);
  return {
    vocabularySize: size(json, "vocab_size"),
    hiddenSize: size(json, "hidden_size"),
    layers,
    attention: groupedAttention(json),
    rotary: parseRotary(json, theta),
    ...parseExperts(json, ["num_experts", "num_local_experts"]),
    expertIntermediateSize: size(json, "moe_intermediate_size"),
    denseLayers,
    denseIntermediateSize: denseLayers.length > 0 ? size(json, "intermediate_size") : null,
    sharedIntermediateSize: null,
    rmsNormEpsilon: positive(json, "rms_norm_eps", 1e-6),
  };
}

function groupedAttention(json: Json): GroupedAttention {
  return {
    kind: "grouped",
    ...parseHeads(json),
    bias: flag(json, "attention_bias"),
    norm: "per_head",
    clip: null,
    window: null,
  };
}

/** A layer routes if it is not listed as dense and its number, counted from 1, is a multiple of the step. */
function parseDenseLayers(json: Json, layers: number): readonly number[] {
  const step = size(json, "decoder_sparse_step", 1);
  const listed = new Set(layerList(json, "mlp_only_layers", layers));
  return [...Array(layers).keys()].filter((layer) => listed.has(layer) || (layer + 1) % step !== 0);
}

function parseWindow(json: Json): GroupedAttention["window"] {
  const tokens = optionalSize(json, "sliding_window");
  return flag(json, "use_sliding_window") ? tokens : null;
}

function textJson(config: ModelConfig): Json {
  const { attention } = config;
  if (attention.kind !== "grouped") throw new RangeError("Qwen3-MoE has grouped attention");
  return {
    hidden_act: "silu",
    attention_bias: attention.bias,
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    ...headsJson(attention),
    num_experts: config.experts,
    num_experts_per_tok: config.expertsPerToken,
    moe_intermediate_size: config.expertIntermediateSize,
    decoder_sparse_step: 1,
    mlp_only_layers: config.denseLayers,
    ...(config.denseIntermediateSize === null ? {} : { intermediate_size: config.denseIntermediateSize }),
    ...windowJson(attention),
    rms_norm_eps: config.rmsNormEpsilon,
    ...rotaryJson(config.rotary),
    tie_word_embeddings: config.tiedEmbeddings,
  };
}

function windowJson({ window }: GroupedAttention): Json {
  if (window === null) return { use_sliding_window: false };
  return { use_sliding_window: true, sliding_window: window };
}

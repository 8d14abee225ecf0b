import type { ModelConfig } from "../config.ts";
import { headsJson, parseExperts, parseHeads, plainRouting } from "./common.ts";
import { flag, type Json, optionalPositive, positive, refuse, size } from "./fields.ts";
import { parseRotary, rotaryJson } from "./rotary.ts";

/**
 * OLMoE. Every layer routes; queries and keys are normed over all heads together, then cut with the values.
 *
 * @see https://github.com/huggingface/transformers `models/olmoe/{configuration,modeling}_olmoe.py`
 */
export function parseOlmoe(json: Json): ModelConfig {
  const hiddenSize = size(json, "hidden_size");
  const heads = parseHeads(json);
  refuse([
    ["hidden_act", json.hidden_act, (json.hidden_act ?? "silu") === "silu"],
    ["head_dim", json.head_dim, heads.headDim * heads.heads === hiddenSize],
  ]);
  return {
    architecture: "olmoe",
    vocabularySize: size(json, "vocab_size"),
    hiddenSize,
    layers: size(json, "num_hidden_layers"),
    attention: {
      kind: "grouped",
      ...heads,
      bias: flag(json, "attention_bias"),
      norm: "all_heads",
      clip: optionalPositive(json, "clip_qkv"),
      window: null,
    },
    rotary: parseRotary(json, 10_000),
    ...parseExperts(json, ["num_experts", "num_local_experts"]),
    expertIntermediateSize: size(json, "intermediate_size"),
    routing: plainRouting(flag(json, "norm_topk_prob")),
    denseLayers: [],
    denseIntermediateSize: null,
    sharedIntermediateSize: null,
    rmsNormEpsilon: positive(json, "rms_norm_eps", 1e-5),
    tiedEmbeddings: flag(json, "tie_word_embeddings"),
  };
}

export function olmoeJson(config: ModelConfig): Json {
  const { attention } = config;
  if (attention.kind !== "grouped") throw new RangeError("OLMoE has grouped attention");
  return {
    hidden_act: "silu",
    attention_bias: attention.bias,
    clip_qkv: attention.clip,
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.expertIntermediateSize,
    num_hidden_layers: config.layers,
    ...headsJson(attention),
    num_experts: config.experts,
    num_experts_per_tok: config.expertsPerToken,
    norm_topk_prob: config.routing.normalizeTopK,
    rms_norm_eps: config.rmsNormEpsilon,
    ...rotaryJson(config.rotary),
    tie_word_embeddings: config.tiedEmbeddings,
  };
}

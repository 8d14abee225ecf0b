import type { ModelConfig } from "../config.ts";
import { headsJson, parseExperts, parseHeads, plainRouting } from "./common.ts";
import { flag, type Json, optionalSize, positive, refuse, size } from "./fields.ts";
import { parseRotary, rotaryJson } from "./rotary.ts";

/**
 * Mixtral. Every layer routes, shares are always divided by their sum, and a window holds in every layer.
 *
 * @see https://github.com/huggingface/transformers `models/mixtral/{configuration,modular}_mixtral.py`
 */
export function parseMixtral(json: Json): ModelConfig {
  refuse([
    ["hidden_act", json.hidden_act, (json.hidden_act ?? "silu") === "silu"],
    ["attention_bias", json.attention_bias, !json.attention_bias],
  ]);
  const window = optionalSize(json, "sliding_window");
  return {
    architecture: "mixtral",
    vocabularySize: size(json, "vocab_size"),
    hiddenSize: size(json, "hidden_size"),
    layers: size(json, "num_hidden_layers"),
    attention: {
      kind: "grouped",
      ...parseHeads(json),
      bias: false,
      norm: "none",
      clip: null,
      window,
    },
    rotary: parseRotary(json, 1_000_000),
    ...parseExperts(json, ["num_local_experts", "num_experts"]),
    expertIntermediateSize: size(json, "intermediate_size"),
    routing: plainRouting(true),
    denseLayers: [],
    denseIntermediateSize: null,
    sharedIntermediateSize: null,
    rmsNormEpsilon: positive(json, "rms_norm_eps", 1e-5),
    tiedEmbeddings: flag(json, "tie_word_embeddings"),
  };
}

export function mixtralJson(config: ModelConfig): Json {
  const { attention } = config;
  if (attention.kind !== "grouped") throw new RangeError("Mixtral has grouped attention");
  return {
    hidden_act: "silu",
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.expertIntermediateSize,
    num_hidden_layers: config.layers,
    ...headsJson(attention),
    num_local_experts: config.experts,
    num_experts_per_tok: config.expertsPerToken,
    sliding_window: attention.window,
    rms_norm_eps: config.rmsNormEpsilon,
    ...rotaryJson(config.rotary),
    tie_word_embeddings: config.tiedEmbeddings,
  };
}

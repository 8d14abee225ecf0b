import type { LatentAttention, ModelConfig, Routing } from "../config.ts";
import { parseExperts } from "./common.ts";
import { flag, invalid, type Json, optionalSize, positive, refuse, size } from "./fields.ts";
import { parseRotary, rotaryJson } from "./rotary.ts";

/**
 * DeepSeek-V2, as the code that the published weights came with computes it. Transformers' own class differs from it in
 * four fields: it ignores `moe_layer_freq` and `norm_topk_prob`, leaves yarn's factor out of the attention scores, and
 * takes yarn's two scales only together.
 *
 * @see https://huggingface.co/deepseek-ai/DeepSeek-V2 `modeling_deepseek.py`, `configuration_deepseek.py`
 * @see https://github.com/huggingface/transformers `models/deepseek_v2/{configuration,modeling}_deepseek_v2.py`
 */
export function parseDeepseekV2(json: Json): ModelConfig {
  refuseUnsupported(json);
  const layers = size(json, "num_hidden_layers");
  const experts = parseExperts(json, ["n_routed_experts", "num_experts"]);
  const expertIntermediateSize = size(json, "moe_intermediate_size");
  const denseLayers = parseDenseLayers(json, layers);
  const sharedExperts = json.n_shared_experts === 0 ? null : optionalSize(json, "n_shared_experts");
  return {
    architecture: "deepseek_v2",
    vocabularySize: size(json, "vocab_size"),
    hiddenSize: size(json, "hidden_size"),
    layers,
    attention: parseAttention(json),
    rotary: parseRotary(json, 10_000, "each"),
    ...experts,
    expertIntermediateSize,
    routing: parseRouting(json, experts),
    denseLayers,
    denseIntermediateSize: denseLayers.length > 0 ? size(json, "intermediate_size") : null,
    sharedIntermediateSize: sharedExperts === null ? null : expertIntermediateSize * sharedExperts,
    rmsNormEpsilon: positive(json, "rms_norm_eps", 1e-6),
    tiedEmbeddings: flag(json, "tie_word_embeddings"),
  };
}

export function deepseekV2Json(config: ModelConfig): Json {
  const { attention, routing } = config;
  if (attention.kind !== "latent") throw new RangeError("DeepSeek-V2 has latent attention");
  return {
    hidden_act: "silu",
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    ...attentionJson(attention),
    n_routed_experts: config.experts,
    num_experts_per_tok: config.expertsPerToken,
    moe_intermediate_size: config.expertIntermediateSize,
    n_shared_experts: (config.sharedIntermediateSize ?? 0) / config.expertIntermediateSize,
    ...denseLayersJson(config),
    ...(config.denseIntermediateSize === null ? {} : { intermediate_size: config.denseIntermediateSize }),
    topk_method: routing.groupLimit === null ? "greedy" : "group_limited_greedy",
    ...(routing.groupLimit === null ? {} : { n_group: routing.groupLimit.groups, topk_group: routing.groupLimit.kept }),
    norm_topk_prob: routing.normalizeTopK,
    routed_scaling_factor: routing.scale,
    rms_norm_eps: config.rmsNormEpsilon,
    ...rotaryJson(config.rotary),
    tie_word_embeddings: config.tiedEmbeddings,
  };
}

function refuseUnsupported(json: Json): void {
  const heads = json.num_attention_heads;
  const method = json.topk_method ?? "greedy";
  refuse([
    ["hidden_act", json.hidden_act, (json.hidden_act ?? "silu") === "silu"],
    ["mlp_bias", json.mlp_bias, !json.mlp_bias],
    ["scoring_func", json.scoring_func, (json.scoring_func ?? "softmax") === "softmax"],
    ["topk_method", json.topk_method, method === "greedy" || method === "group_limited_greedy"],
    ["num_key_value_heads", json.num_key_value_heads, (json.num_key_value_heads ?? heads) === heads],
  ]);
}

function parseAttention(json: Json): LatentAttention {
  const rotaryDim = size(json, "qk_rope_head_dim");
  if (rotaryDim % 2 !== 0) throw invalid("qk_rope_head_dim", `is ${rotaryDim}, not an even integer`);
  return {
    kind: "latent",
    heads: size(json, "num_attention_heads"),
    queryRank: optionalSize(json, "q_lora_rank"),
    keyValueRank: size(json, "kv_lora_rank"),
    plainDim: size(json, "qk_nope_head_dim"),
    rotaryDim,
    valueDim: size(json, "v_head_dim"),
    bias: flag(json, "attention_bias"),
  };
}

function attentionJson(attention: LatentAttention): Json {
  return {
    num_attention_heads: attention.heads,
    num_key_value_heads: attention.heads,
    q_lora_rank: attention.queryRank,
    kv_lora_rank: attention.keyValueRank,
    qk_nope_head_dim: attention.plainDim,
    qk_rope_head_dim: attention.rotaryDim,
    v_head_dim: attention.valueDim,
    attention_bias: attention.bias,
  };
}

/** Shares are either divided by their sum or scaled, not both; one expert alone is never divided. */
function parseRouting(
  json: Json,
  { experts, expertsPerToken }: Pick<ModelConfig, "experts" | "expertsPerToken">,
): Routing {
  const normalizeTopK = flag(json, "norm_topk_prob") && expertsPerToken > 1;
  const scale = normalizeTopK ? 1 : positive(json, "routed_scaling_factor", 1);
  if (json.topk_method !== "group_limited_greedy") return { normalizeTopK, scale, groupLimit: null };
  const groups = size(json, "n_group");
  const kept = size(json, "topk_group");
  if (experts % groups !== 0) throw invalid("n_group", `is ${groups}, which does not divide ${experts} experts`);
  if (kept > groups) throw invalid("topk_group", `is ${kept}, more than the ${groups} groups there are`);
  return { normalizeTopK, scale, groupLimit: { groups, kept } };
}

function parseDenseLayers(json: Json, layers: number): readonly number[] {
  const first = json.first_k_dense_replace ?? 0;
  if (typeof first !== "number" || !Number.isSafeInteger(first) || first < 0) {
    throw invalid("first_k_dense_replace", `is ${JSON.stringify(first)}, not a number of layers`);
  }
  return denseLayers(layers, first, size(json, "moe_layer_freq", 1));
}

function denseLayers(layers: number, first: number, step: number): readonly number[] {
  return [...Array(layers).keys()].filter((layer) => layer < first || layer % step !== 0);
}

/** @throws RangeError for dense layers that no first layer and step describe (a caller's bug). */
function denseLayersJson(config: ModelConfig): Json {
  for (let step = 1; step <= config.layers; step += 1) {
    for (let first = 0; first <= config.layers; first += 1) {
      if (denseLayers(config.layers, first, step).join() === config.denseLayers.join()) {
        return { first_k_dense_replace: first, moe_layer_freq: step };
      }
    }
  }
  throw new RangeError(`DeepSeek-V2 cannot have the dense layers ${config.denseLayers.join()}`);
}

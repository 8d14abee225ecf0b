import type { GroupedAttention, Routing } from "../config.ts";
import { type Field, invalid, type Json, size } from "./fields.ts";

type Heads = Pick<GroupedAttention, "heads" | "keyValueHeads" | "headDim">;

/** Reads the heads that Qwen3-MoE, Mixtral and OLMoE have in common. */
export function parseHeads(json: Json): Heads {
  const heads = size(json, "num_attention_heads");
  const keyValueHeads = size(json, "num_key_value_heads", heads);
  const headDim = json.head_dim == null ? size(json, "hidden_size") / heads : size(json, "head_dim");
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) throw invalid("head_dim", `is ${headDim}, not an even integer`);
  if (heads % keyValueHeads !== 0) {
    throw invalid("num_key_value_heads", `is ${keyValueHeads}, which does not divide ${heads} attention heads`);
  }
  return { heads, keyValueHeads, headDim };
}

export function headsJson({ heads, keyValueHeads, headDim }: Heads): Json {
  return { num_attention_heads: heads, num_key_value_heads: keyValueHeads, head_dim: headDim };
}

/**
 * How many experts there are and how many of them a token gets.
 *
 * @param fields the field that the published files have, and the one that newer Transformers may write for it.
 */
export function parseExperts(
  json: Json,
  [field, alias]: readonly [Field, Field],
): { readonly experts: number; readonly expertsPerToken: number } {
  const experts = size(json, json[field] == null && json[alias] != null ? alias : field);
  const expertsPerToken = size(json, "num_experts_per_tok");
  if (expertsPerToken > experts) {
    throw invalid("num_experts_per_tok", `is ${expertsPerToken}, more than the ${experts} experts there are`);
  }
  return { experts, expertsPerToken };
}

/** Routing without a limit by groups and without a scale. */
export function plainRouting(normalizeTopK: boolean): Routing {
  return { normalizeTopK, scale: 1, groupLimit: null };
}

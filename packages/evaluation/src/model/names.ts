export const EMBEDDING = "model.embed_tokens.weight";
export const FINAL_NORM = "model.norm.weight";
export const HEAD = "lm_head.weight";

/** Names of one layer's shared tensors, by what they do. */
export interface LayerNames {
  readonly inputNorm: string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly output: string;
  readonly queryNorm: string;
  readonly keyNorm: string;
  readonly feedForwardNorm: string;
  readonly router: string;
}

/** Names of one expert's three matrices. */
export interface ExpertNames {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

/** Hugging Face's names of one layer's shared tensors. */
export function layerNames(layer: number): LayerNames {
  const prefix = `model.layers.${layer}`;
  return {
    inputNorm: `${prefix}.input_layernorm.weight`,
    query: `${prefix}.self_attn.q_proj.weight`,
    key: `${prefix}.self_attn.k_proj.weight`,
    value: `${prefix}.self_attn.v_proj.weight`,
    output: `${prefix}.self_attn.o_proj.weight`,
    queryNorm: `${prefix}.self_attn.q_norm.weight`,
    keyNorm: `${prefix}.self_attn.k_norm.weight`,
    feedForwardNorm: `${prefix}.post_attention_layernorm.weight`,
    router: `${prefix}.mlp.gate.weight`,
  };
}

/** Hugging Face's names of one routed expert's matrices. */
export function expertNames(layer: number, expert: number): ExpertNames {
  const prefix = `model.layers.${layer}.mlp.experts.${expert}`;
  return {
    gate: `${prefix}.gate_proj.weight`,
    up: `${prefix}.up_proj.weight`,
    down: `${prefix}.down_proj.weight`,
  };
}

/** Names of the tensors that hold all experts of one layer, stacked. */
export function stackedExpertNames(layer: number): { readonly gate_up: string; readonly down: string } {
  const prefix = `model.layers.${layer}.mlp.experts`;
  return { gate_up: `${prefix}.gate_up_proj`, down: `${prefix}.down_proj` };
}

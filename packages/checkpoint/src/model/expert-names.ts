/** Which routed experts a tensor belongs to. `expert` is null for a tensor that stacks all experts of its layer. */
export interface ExpertPosition {
  readonly layer: number;
  readonly expert: number | null;
}

/**
 * The routed experts that a tensor is part of; null for everything else (router, attention, shared experts, …).
 *
 * @see Transformers' Qwen3-MoE, OLMoE and DeepSeek-V2 (`mlp.experts.<e>.gate_proj`), Mixtral
 *   (`block_sparse_moe.experts.<e>.w1`), Qwen3-VL-MoE (`mlp.experts.gate_up_proj`, first dimension = experts)
 */
export function expertOf(name: string): ExpertPosition | null {
  const [, layer, expert] = ONE_EXPERT.exec(name) ?? STACKED_EXPERTS.exec(name) ?? [];
  return layer === undefined ? null : { layer: Number(layer), expert: expert === undefined ? null : Number(expert) };
}

/** Whether a name speaks of routed experts in a spelling that {@link expertOf} does not know: quantised, biased, … */
export function isUnknownExpert(name: string): boolean {
  return expertOf(name) === null && ANY_EXPERT.test(name);
}

const LAYER = String.raw`^model[.](?:language_model[.])?layers[.](0|[1-9]\d*)[.]`;
const ONE_EXPERT = new RegExp(
  String.raw`${LAYER}(?:mlp|block_sparse_moe)[.]experts[.](0|[1-9]\d*)[.](?:gate_proj|up_proj|down_proj|w[123])[.]weight$`,
);
const STACKED_EXPERTS = new RegExp(`${LAYER}mlp[.]experts[.](?:gate_up|down)_proj$`);
const ANY_EXPERT = /[.](?:mlp|block_sparse_moe)[.]experts[.]/;

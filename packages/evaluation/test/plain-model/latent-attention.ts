import { attend } from "./attention.ts";
import { concatenate, cut, linear, rmsNorm, type Vector } from "./linear-algebra.ts";
import { type Rope, type Rotation, rotatePairs, rotationOf, yarnGrowth } from "./rotary.ts";
import { matrix, type PlainTensors, vector } from "./tensors.ts";

/** Attention whose keys and values are expanded from one narrow vector per position: DeepSeek-V2. */
export interface LatentAttention {
  readonly kind: "latent";
  readonly heads: number;
  /** Whether queries are expanded from a narrow vector, too (`q_lora_rank`). */
  readonly latentQueries: boolean;
  readonly latentWidth: number;
  /** Elements of a head's query and key without a position. */
  readonly plainWidth: number;
  /** Elements of a head's query and key that are rotated; the key's are one vector for all heads. */
  readonly rotaryWidth: number;
  readonly valueWidth: number;
  /** Whether the projections into the narrow vectors and out of the attention have a bias. */
  readonly bias: boolean;
  readonly rope: Rope;
}

/** The published code leaves the latent norms at their default, whatever `rms_norm_eps` says. */
const LATENT_EPSILON = 1e-6;

/**
 * @param name prefix of the layer's attention tensors, `model.layers.0.self_attn.`.
 * @param inputs one vector per position, normalised.
 * @see `modeling_deepseek.py`, `DeepseekV2Attention`, published with the weights of DeepSeek-V2
 */
export function latentAttention(
  attention: LatentAttention,
  { tensors, name }: { readonly tensors: PlainTensors; readonly name: string },
  inputs: readonly Vector[],
): readonly Vector[] {
  const { heads, latentWidth, plainWidth, rotaryWidth, valueWidth, rope } = attention;
  const rotation = latentRotation(rope, inputs.length);
  const project = (part: string, x: Vector, bias = false) =>
    linear(matrix(tensors, `${name}${part}.weight`), x, bias ? vector(tensors, `${name}${part}.bias`) : null);
  const normed = (part: string, x: Vector) => rmsNorm(x, vector(tensors, `${name}${part}.weight`), LATENT_EPSILON);

  const positions = inputs.map((x, position) => {
    const query = attention.latentQueries
      ? project("q_b_proj", normed("q_a_layernorm", project("q_a_proj", x, attention.bias)))
      : project("q_proj", x);
    const narrow = project("kv_a_proj_with_mqa", x, attention.bias);
    const expanded = project("kv_b_proj", normed("kv_a_layernorm", narrow.slice(0, latentWidth)));
    const sharedKey = rotatePairs(narrow.slice(latentWidth), position, rotation);
    return {
      queries: cut(query, plainWidth + rotaryWidth).map((head) =>
        concatenate([head.slice(0, plainWidth), rotatePairs(head.slice(plainWidth), position, rotation)]),
      ),
      keys: cut(expanded, plainWidth + valueWidth).map((head) => concatenate([head.slice(0, plainWidth), sharedKey])),
      values: cut(expanded, plainWidth + valueWidth).map((head) => head.slice(plainWidth)),
    };
  });
  const rule = { scale: scoreScale(attention), window: null };
  const attended = Array.from({ length: heads }, (_, head) => {
    const ofHead = (part: "queries" | "keys" | "values") =>
      positions.map((position) => position[part][head] ?? new Float64Array());
    return attend({ queries: ofHead("queries"), keys: ofHead("keys"), values: ofHead("values") }, rule);
  });
  return inputs.map((_, position) =>
    project("o_proj", concatenate(attended.map((head) => head[position] ?? new Float64Array())), attention.bias),
  );
}

/** Unlike elsewhere, `mscale` is 1 and `mscale_all_dim` 0 when not given, and `attention_factor` is not looked at. */
function latentRotation(rope: Rope, sequenceLength: number): Rotation {
  const { rope_type, type = rope_type, factor = 1, mscale = 1, mscale_all_dim: allDim = 0 } = rope.scaling;
  const { frequencies, magnitude } = rotationOf(rope, sequenceLength);
  if (type !== "yarn") return { frequencies, magnitude };
  return { frequencies, magnitude: yarnGrowth(factor, mscale) / yarnGrowth(factor, allDim) };
}

/** What the scaled positions' magnitude leaves out is made up for here, squared for query and key. */
function scoreScale({ plainWidth, rotaryWidth, rope }: LatentAttention): number {
  const { factor = 1, mscale_all_dim: allDim } = rope.scaling;
  const growth = allDim ? yarnGrowth(factor, allDim) : 1;
  return (growth * growth) / Math.sqrt(plainWidth + rotaryWidth);
}

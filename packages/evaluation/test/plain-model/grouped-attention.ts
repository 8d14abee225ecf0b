import { attend } from "./attention.ts";
import { concatenate, cut, linear, rmsNorm, type Vector } from "./linear-algebra.ts";
import { type Rope, rotateHalves, rotationOf } from "./rotary.ts";
import { matrix, type PlainTensors, vector } from "./tensors.ts";

/** Attention in which several heads of queries share one head of keys and values. */
export interface GroupedAttention {
  readonly kind: "grouped";
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headWidth: number;
  /** Whether all four projections have a bias. */
  readonly bias: boolean;
  /** What queries and keys are normalised over: each head by itself (Qwen3), the whole projection (OLMoE), nothing. */
  readonly queryKeyNorm: "head" | "projection" | null;
  /** Queries, keys and values are cut off at plus and minus this. */
  readonly clip: number | null;
  readonly rope: Rope;
  /** How many positions a query sees, its own included; null for all before it. */
  readonly window: number | null;
  readonly epsilon: number;
}

/**
 * @param name prefix of the layer's attention tensors, `model.layers.0.self_attn.`.
 * @param inputs one vector per position, normalised.
 * @see Transformers `modeling_qwen3_moe.py`, `modeling_mixtral.py`, `modeling_olmoe.py`
 */
export function groupedAttention(
  attention: GroupedAttention,
  { tensors, name }: { readonly tensors: PlainTensors; readonly name: string },
  inputs: readonly Vector[],
): readonly Vector[] {
  const { heads, keyValueHeads, headWidth, clip, rope } = attention;
  const rotation = rotationOf(rope, inputs.length);
  const project = (part: string, x: Vector) =>
    linear(
      matrix(tensors, `${name}${part}_proj.weight`),
      x,
      attention.bias ? vector(tensors, `${name}${part}_proj.bias`) : null,
    );
  const clipped = (x: Vector) => (clip === null ? x : x.map((value) => Math.min(Math.max(value, -clip), clip)));
  const normed = (part: string, x: Vector) => {
    const { queryKeyNorm, epsilon } = attention;
    if (queryKeyNorm === null) return x;
    const width = queryKeyNorm === "head" ? headWidth : x.length;
    const weight = vector(tensors, `${name}${part}_norm.weight`);
    return concatenate(cut(x, width).map((each) => rmsNorm(each, weight, epsilon)));
  };
  /** Position, then head. */
  const rotatedHeads = (part: string) =>
    inputs.map((x, position) =>
      cut(clipped(normed(part, project(part, x))), headWidth).map((head) => rotateHalves(head, position, rotation)),
    );
  const queries = rotatedHeads("q");
  const keys = rotatedHeads("k");
  const values = inputs.map((x) => cut(clipped(project("v", x)), headWidth));
  const rule = { scale: 1 / Math.sqrt(headWidth), window: attention.window };
  const attended = Array.from({ length: heads }, (_, head) => {
    const shared = Math.floor(head / (heads / keyValueHeads));
    return attend({ queries: ofHead(queries, head), keys: ofHead(keys, shared), values: ofHead(values, shared) }, rule);
  });
  return inputs.map((_, position) => project("o", concatenate(ofHead(attended, position))));
}

function ofHead(vectors: readonly (readonly Vector[])[], head: number): readonly Vector[] {
  return vectors.map((heads) => heads[head] ?? new Float64Array());
}

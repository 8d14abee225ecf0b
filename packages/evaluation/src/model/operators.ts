import { ElementType } from "../onnx/encoder.ts";
import type { Graph } from "../onnx/graph.ts";
import type { RotaryTable } from "./rotary-table.ts";

/** Operators that ONNX Runtime adds to ONNX's own. */
const CONTRIBUTED = "com.microsoft";

/** Declares weights as float32 inputs of the graph, each name with an ending. */
export function declareWeights(
  graph: Graph,
  weights: readonly { readonly input: string; readonly shape: readonly number[] }[],
  ending = "",
): void {
  for (const { input, shape } of weights) graph.input(`${input}${ending}`, ElementType.float32, shape);
}

/** `x · scale / rms(x)` over the last axis. The runtime has it under this name; ONNX itself only from operator set 23. */
export function rmsNorm(graph: Graph, x: string, scale: string, epsilon: number, name?: string): string {
  const attributes = { axis: -1, epsilon: { float: epsilon } };
  return graph.node("SimplifiedLayerNormalization", [x, scale], attributes, name === undefined ? {} : { name });
}

/** `x · weightᵀ + bias` for a weight stored `[outputs, inputs]`, so that a checkpoint's bytes are used as they are. */
export function linear(graph: Graph, x: string, weight: string, bias?: string): string {
  return graph.node("Gemm", bias === undefined ? [x, weight] : [x, weight, bias], { transB: 1 });
}

/** `silu(gate) · up`, element by element. */
export function gatedProduct(graph: Graph, gate: string, up: string): string {
  const silu = graph.node("QuickGelu", [gate], { alpha: { float: 1 } }, { domain: CONTRIBUTED });
  return graph.node("Mul", [silu, up]);
}

/** `[N, width]` as `[batch, sequence, width]`, by the graph's input `batch_shape`. */
export function batched(graph: Graph, x: string, width: number): string {
  return graph.node("Reshape", [x, graph.node("Concat", ["batch_shape", graph.int64(width)], { axis: 0 })]);
}

/** Which pairs of a head's numbers are turned together. */
export type RotaryPairs = "halves" | "neighbours";

/** Turns each head of `[batch, sequence, heads · dim]` by its position's angles. */
export function rotate(graph: Graph, x: string, heads: number, pairs: RotaryPairs): string {
  const attributes = { interleaved: pairs === "neighbours" ? 1 : 0, num_heads: heads };
  const inputs = [x, graph.int64(0), "rotary_cos", "rotary_sin"];
  return graph.node("RotaryEmbedding", inputs, attributes, { domain: CONTRIBUTED });
}

/** Adds the tables that {@link rotate} takes. */
export function addRotaryTable(graph: Graph, { cos, sin }: RotaryTable, positions: number): void {
  for (const [name, values] of Object.entries({ rotary_cos: cos, rotary_sin: sin })) {
    const dims = [positions, values.length / positions];
    graph.initializer({ name, type: ElementType.float32, dims, bytes: new Uint8Array(values.buffer) });
  }
}

export interface CausalAttention {
  /** Heads of queries. */
  readonly heads: number;
  /** Heads of keys and values; each serves as many heads of queries, in order. */
  readonly keyValueHeads: number;
  /** What scores are multiplied by; left out for the inverse root of a head's width. */
  readonly scale?: number;
  /** How many tokens a token sees, itself included; null for all before it. */
  readonly window: number | null;
}

/**
 * Attention of each token to those before it; queries, keys and values are `[batch, sequence, heads · width]`.
 *
 * ONNX's own operator gives the same bits as the runtime's MultiHeadAttention in two thirds of the time (128 tokens), and
 * takes shared heads of keys as they are.
 */
export function attend(
  graph: Graph,
  { query, key, value }: Readonly<Record<"query" | "key" | "value", string>>,
  { heads, keyValueHeads, scale, window }: CausalAttention,
): string {
  const attributes = {
    q_num_heads: heads,
    kv_num_heads: keyValueHeads,
    is_causal: 1,
    ...(scale === undefined ? {} : { scale: { float: scale } }),
  };
  const mask = window === null ? [] : [windowMask(graph, window)];
  return graph.node("Attention", [query, key, value, ...mask], attributes);
}

/** float32[1, 1, sequence, sequence]: 0 where a token is near enough to be seen, else as negative as numbers get. */
function windowMask(graph: Graph, window: number): string {
  const length = graph.node("Gather", ["batch_shape", graph.int64Scalar(1)], { axis: 0 });
  const places = graph.node("Range", [graph.int64Scalar(0), length, graph.int64Scalar(1)]);
  const rows = graph.node("Unsqueeze", [places, graph.int64(1)]);
  const distance = graph.node("Sub", [rows, graph.node("Unsqueeze", [places, graph.int64(0)])]);
  const near = graph.node("Less", [distance, graph.int64Scalar(window)]);
  const mask = graph.node("Where", [near, graph.float32(0), graph.float32(-3e38)]);
  return graph.node("Unsqueeze", [mask, graph.int64(0, 1)]);
}

import { ElementType } from "../onnx/encoder.ts";
import type { Graph } from "../onnx/graph.ts";
import type { ModelConfig } from "./config.ts";

/** Operators that ONNX Runtime adds to ONNX's own. */
export const CONTRIBUTED = "com.microsoft";

/** `x · scale / rms(x)` over the last axis. The runtime has it under this name; ONNX itself only from operator set 23. */
export function rmsNorm(graph: Graph, x: string, scale: string, epsilon: number, name?: string): string {
  const attributes = { axis: -1, epsilon: { float: epsilon } };
  return graph.node("SimplifiedLayerNormalization", [x, scale], attributes, name === undefined ? {} : { name });
}

/** Declares weights as float32 inputs of the graph, each name with an ending. */
export function declareWeights(
  graph: Graph,
  weights: readonly { readonly input: string; readonly shape: readonly number[] }[],
  ending = "",
): void {
  for (const { input, shape } of weights) graph.input(`${input}${ending}`, ElementType.float32, shape);
}

/** `x · weightᵀ` for a weight stored `[outputs, inputs]`, so that the bytes of a checkpoint are used as they are. */
export function linear(graph: Graph, x: string, weight: string): string {
  return graph.node("Gemm", [x, weight], { transB: 1 });
}

/** `silu(gate) · up`, element by element. */
export function gatedProduct(graph: Graph, gate: string, up: string): string {
  const silu = graph.node("Mul", [gate, graph.node("Sigmoid", [gate])]);
  return graph.node("Mul", [silu, up]);
}

/** Names of the two tables that {@link rotate} takes. */
export interface RotaryTables {
  readonly cos: string;
  readonly sin: string;
}

/** Adds the cosines and sines of every position's angles, `float32[positions, headDim / 2]`. */
export function rotaryTables(
  graph: Graph,
  { headDim, ropeTheta }: Pick<ModelConfig, "headDim" | "ropeTheta">,
  positions: number,
): RotaryTables {
  const half = headDim / 2;
  const angles = Array.from(
    { length: positions * half },
    (_, at) => Math.floor(at / half) * ropeTheta ** ((-2 * (at % half)) / headDim),
  );
  const table = (name: string, values: readonly number[]) =>
    graph.initializer({
      name,
      type: ElementType.float32,
      dims: [positions, half],
      bytes: new Uint8Array(Float32Array.from(values).buffer),
    });
  return { cos: table("rope_cos", angles.map(Math.cos)), sin: table("rope_sin", angles.map(Math.sin)) };
}

/** Turns each head by its position's angles: the first half of a head pairs with the second (not even with odd). */
export function rotate(graph: Graph, x: string, heads: number, { cos, sin }: RotaryTables): string {
  const attributes = { interleaved: 0, num_heads: heads };
  return graph.node("RotaryEmbedding", [x, graph.int64(0), cos, sin], attributes, { domain: CONTRIBUTED });
}

import { ElementType } from "../onnx/encoder.ts";
import { Graph } from "../onnx/graph.ts";
import type { ModelConfig } from "./config.ts";
import { denseInputs } from "./description.ts";
import { declareWeights, gatedProduct, linear } from "./operators.ts";

/**
 * Adds what a feed-forward contributes that serves every token: a dense layer's own, or a routing layer's shared experts.
 *
 * In: `sum` float32[N, hidden] (what is added to), `normed` float32[N, hidden], `gate`, `up`, `down`. Out: `y`
 * float32[N, hidden].
 */
export function denseGraph(config: ModelConfig, intermediateSize: number): Graph {
  const { hiddenSize } = config;
  const graph = new Graph("dense");
  graph.input("sum", ElementType.float32, ["N", hiddenSize]);
  graph.input("normed", ElementType.float32, ["N", hiddenSize]);
  addDense(graph, config, intermediateSize, { sum: "sum", name: "y" });
  graph.output("y", ElementType.float32, ["N", hiddenSize]);
  return graph;
}

/** The weights and the sum of {@link denseGraph}, as part of a larger graph. */
export function addDense(
  graph: Graph,
  config: ModelConfig,
  intermediateSize: number,
  { sum, name }: { readonly sum: string; readonly name: string },
): void {
  declareWeights(graph, denseInputs(config, intermediateSize));
  const inner = gatedProduct(graph, linear(graph, "normed", "gate"), linear(graph, "normed", "up"));
  graph.node("Add", [sum, linear(graph, inner, "down")], {}, { name });
}

import { ElementType } from "../onnx/encoder.ts";
import { Graph } from "../onnx/graph.ts";
import { type AttentionGraphOptions, addAttention } from "./attention-graph.ts";
import type { ModelConfig } from "./config.ts";
import { addDense } from "./dense-graph.ts";
import { addExperts } from "./expert-group-graph.ts";
import type { ExpertTensorLayout } from "./expert-layout.ts";

export interface LayerGraphOptions extends AttentionGraphOptions {
  readonly layout: ExpertTensorLayout;
  /** Of a dense layer, or of the shared experts; null without. */
  readonly denseIntermediateSize: number | null;
}

/**
 * A whole layer with all its experts in ascending order: `attentionGraph`, `denseGraph` and `expertGroupGraph` in one.
 *
 * In: `x` float32[N, hidden], `batch_shape`, the weights of all three. Out: `y` float32[N, hidden]. What goes from one
 * part to the next stays inside the native runtime, which copies every output.
 */
export function layerGraph(
  config: ModelConfig,
  { layout, denseIntermediateSize, ...attention }: LayerGraphOptions,
): Graph {
  const { hiddenSize, experts } = config;
  const graph = new Graph("layer");
  addAttention(graph, config, attention);
  if (denseIntermediateSize !== null) {
    addDense(graph, config, denseIntermediateSize, { sum: "residual", name: attention.routed ? "served" : "y" });
  }
  if (attention.routed) {
    graph.initializer({ name: "expert_ids", type: ElementType.int64, dims: [experts], bytes: ascending(experts) });
    addExperts(graph, config, { layout, slots: experts, sum: denseIntermediateSize === null ? "residual" : "served" });
  }
  graph.output("y", ElementType.float32, ["N", hiddenSize]);
  return graph;
}

function ascending(count: number): Uint8Array {
  return new Uint8Array(BigInt64Array.from({ length: count }, (_, index) => BigInt(index)).buffer);
}

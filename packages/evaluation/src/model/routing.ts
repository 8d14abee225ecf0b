import type { Graph } from "../onnx/graph.ts";
import type { ModelConfig } from "./config.ts";
import { linear } from "./operators.ts";

/**
 * Adds the router to the graph: from the input `router` and the value `normed` [N, hidden] to the values `chosen`
 * int64[N, k] and `shares` float32[N, k], most likely expert first, of equally likely ones the first.
 *
 * A score that is not a number makes all shares of its token so: the choice is arbitrary then, the loss is not finite.
 */
export function addRouting(graph: Graph, config: ModelConfig): void {
  const { expertsPerToken, routing } = config;
  const { normalizeTopK, scale } = routing;
  const probabilities = graph.node("Softmax", [linear(graph, "normed", "router")], { axis: -1 });
  const top = [eligible(graph, config, probabilities), graph.int64(expertsPerToken)];
  const plain = !normalizeTopK && scale === 1;
  const names = [plain ? "shares" : "probability", "chosen"] as const;
  const [values] = graph.node("TopK", top, { axis: -1 }, { names });
  if (normalizeTopK) {
    const sum = graph.node("ReduceSum", [values, graph.int64(-1)], { keepdims: 1 });
    graph.node("Div", [values, sum], {}, { name: scale === 1 ? "shares" : "normalized" });
  }
  if (scale !== 1) {
    graph.node("Mul", [normalizeTopK ? "normalized" : values, graph.float32Scalar(scale)], {}, { name: "shares" });
  }
}

/** Probabilities with those of all groups but the kept ones set to zero. */
function eligible(graph: Graph, { experts, routing: { groupLimit } }: ModelConfig, probabilities: string): string {
  if (groupLimit === null) return probabilities;
  const { groups, kept } = groupLimit;
  const grouped = graph.node("Reshape", [probabilities, graph.int64(-1, groups, experts / groups)]);
  const best = graph.node("ReduceMax", [grouped, graph.int64(-1)], { keepdims: 0 });
  const [, first] = graph.node("TopK", [best, graph.int64(kept)], { axis: -1 }, { outputs: 2 });
  const none = graph.node("Mul", [best, graph.float32Scalar(0)]);
  const ones = graph.node("Expand", [graph.float32(1), graph.node("Shape", [first])]);
  const mask = graph.node("ScatterElements", [none, first, ones], { axis: 1 });
  const masked = graph.node("Mul", [grouped, graph.node("Unsqueeze", [mask, graph.int64(-1)])]);
  return graph.node("Reshape", [masked, graph.int64(-1, experts)]);
}

import { ElementType } from "../onnx/encoder.ts";
import { Graph } from "../onnx/graph.ts";
import type { ModelConfig } from "./config.ts";
import { linear, rmsNorm } from "./operators.ts";

/**
 * Final norm, output head and the cross-entropy of each row.
 *
 * In: `x` float32[N, hidden], `targets` int64[N, 1], `norm`, `head` (with tied embeddings the embedding table).
 * Out: `losses` float32[N, 1] in nats. Rows are independent, so a caller bounds the logits' memory (twice
 * N · vocabulary · 4 B) by running slices of rows.
 *
 * LogSoftmax writes as much as it reads and is still several times as fast as the runtime's ReduceLogSumExp, whose
 * exponential is scalar.
 */
export function headGraph(config: ModelConfig): Graph {
  const { hiddenSize, vocabularySize, rmsNormEpsilon } = config;
  const graph = new Graph("head");
  graph.input("x", ElementType.float32, ["N", hiddenSize]);
  graph.input("targets", ElementType.int64, ["N", 1]);
  graph.input("norm", ElementType.float32, [hiddenSize]);
  graph.input("head", ElementType.float32, [vocabularySize, hiddenSize]);
  const logits = linear(graph, rmsNorm(graph, "x", "norm", rmsNormEpsilon), "head");
  const logProbabilities = graph.node("LogSoftmax", [logits], { axis: -1 });
  const target = graph.node("GatherElements", [logProbabilities, "targets"], { axis: 1 });
  graph.node("Neg", [target], {}, { name: "losses" });
  graph.output("losses", ElementType.float32, ["N", 1]);
  return graph;
}

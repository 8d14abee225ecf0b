import { ElementType } from "../onnx/encoder.ts";
import { Graph } from "../onnx/graph.ts";
import { type ModelConfig, rotaryDim } from "./config.ts";
import { type AttentionKind, attentionInputs } from "./description.ts";
import { groupedAttention } from "./grouped-attention.ts";
import { latentAttention } from "./latent-attention.ts";
import { addRotaryTable, declareWeights, rmsNorm } from "./operators.ts";
import { rotaryTable } from "./rotary-table.ts";
import { addRouting } from "./routing.ts";

export interface AttentionGraphOptions extends AttentionKind {
  /** Longest sequence that will be run. */
  readonly positions: number;
}

/**
 * One layer up to its feed-forward: causal self-attention, and the router's choice of experts.
 *
 * In: `x` float32[N, hidden] (N = batch · sequence), `batch_shape` int64[2] = (batch, sequence), the weights of a
 * `LayerDescription`. Out: `residual` float32[N, hidden] (x + attention), `normed` float32[N, hidden] (what the
 * feed-forward sees) and, where the layer routes, `chosen` int64[N, k] and `shares` float32[N, k] (each token's experts
 * and their weights).
 *
 * One graph serves every layer of its kind, since the weights are inputs. Sequences may be shorter than `positions`,
 * not longer; positions that are scaled by the sequence's length (`dynamic`) are scaled by `positions`.
 */
export function attentionGraph(config: ModelConfig, options: AttentionGraphOptions): Graph {
  const { hiddenSize, expertsPerToken } = config;
  const graph = new Graph("attention");
  addAttention(graph, config, options);
  graph.output("residual", ElementType.float32, ["N", hiddenSize]);
  graph.output("normed", ElementType.float32, ["N", hiddenSize]);
  if (options.routed) {
    graph.output("chosen", ElementType.int64, ["N", expertsPerToken]);
    graph.output("shares", ElementType.float32, ["N", expertsPerToken]);
  }
  return graph;
}

/** The inputs and values of {@link attentionGraph}, as part of a larger graph. */
export function addAttention(graph: Graph, config: ModelConfig, { positions, ...kind }: AttentionGraphOptions): void {
  const { hiddenSize, rmsNormEpsilon, attention } = config;
  graph.input("x", ElementType.float32, ["N", hiddenSize]);
  graph.input("batch_shape", ElementType.int64, [2]);
  declareWeights(graph, attentionInputs(config, kind));
  addRotaryTable(graph, rotaryTable(config.rotary, rotaryDim(config), positions), positions);

  const normed = rmsNorm(graph, "x", "inputNorm", rmsNormEpsilon);
  const window = kind.window !== null && kind.window < positions ? kind.window : null;
  const attended =
    attention.kind === "grouped"
      ? groupedAttention(graph, config, attention, { normed, window })
      : latentAttention(graph, config, attention, normed);
  graph.node("Add", ["x", attended], {}, { name: "residual" });
  rmsNorm(graph, "residual", "feedForwardNorm", rmsNormEpsilon, "normed");
  if (kind.routed) addRouting(graph, config);
}

import { ElementType } from "../onnx/encoder.ts";
import { Graph } from "../onnx/graph.ts";
import type { ModelConfig } from "./config.ts";
import { type AttentionKind, attentionWeights } from "./description.ts";
import { CONTRIBUTED, declareWeights, linear, type RotaryTables, rmsNorm, rotaryTables, rotate } from "./operators.ts";

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
 * not longer.
 */
export function attentionGraph(config: ModelConfig, { positions, ...kind }: AttentionGraphOptions): Graph {
  const { hiddenSize, attentionHeads, headDim, expertsPerToken, rmsNormEpsilon } = config;
  const graph = new Graph("attention");
  graph.input("x", ElementType.float32, ["N", hiddenSize]);
  graph.input("batch_shape", ElementType.int64, [2]);
  declareWeights(graph, attentionWeights(config, kind, 0));

  const normed = rmsNorm(graph, "x", "inputNorm", rmsNormEpsilon);
  const attended = attention(graph, config, normed, rotaryTables(graph, config, positions));
  const flat = graph.node("Reshape", [attended, graph.int64(-1, attentionHeads * headDim)]);
  graph.node("Add", ["x", linear(graph, flat, "output")], {}, { name: "residual" });
  rmsNorm(graph, "residual", "feedForwardNorm", rmsNormEpsilon, "normed");
  graph.output("residual", ElementType.float32, ["N", hiddenSize]);
  graph.output("normed", ElementType.float32, ["N", hiddenSize]);
  if (!kind.routed) return graph;
  route(graph, config);
  graph.output("chosen", ElementType.int64, ["N", expertsPerToken]);
  graph.output("shares", ElementType.float32, ["N", expertsPerToken]);
  return graph;
}

function attention(graph: Graph, config: ModelConfig, normed: string, tables: RotaryTables): string {
  const { attentionHeads, keyValueHeads, headDim, rmsNormEpsilon } = config;
  const heads = (x: string, norm: string, count: number): string => {
    const perHead = graph.node("Reshape", [x, graph.int64(-1, headDim)]);
    const rows = batched(graph, rmsNorm(graph, perHead, norm, rmsNormEpsilon), count * headDim);
    return rotate(graph, rows, count, tables);
  };
  const query = heads(linear(graph, normed, "query"), "queryNorm", attentionHeads);
  const key = heads(linear(graph, normed, "key"), "keyNorm", keyValueHeads);
  const value = batched(graph, linear(graph, normed, "value"), keyValueHeads * headDim);
  const inputs = [query, repeatHeads(graph, config, key), repeatHeads(graph, config, value)];
  const attributes = { num_heads: attentionHeads, unidirectional: 1 };
  return graph.node("MultiHeadAttention", inputs, attributes, { domain: CONTRIBUTED });
}

/** `[N · heads, headDim]` or `[N, width]` as `[batch, sequence, width]`. */
function batched(graph: Graph, x: string, width: number): string {
  return graph.node("Reshape", [x, graph.node("Concat", ["batch_shape", graph.int64(width)], { axis: 0 })]);
}

/** Grouped-query attention: each head of keys and values stands beside its copies, one per head of queries. */
function repeatHeads(graph: Graph, config: ModelConfig, x: string): string {
  const { attentionHeads, keyValueHeads, headDim } = config;
  if (attentionHeads === keyValueHeads) return x;
  const copies = attentionHeads / keyValueHeads;
  const perHead = graph.node("Reshape", [x, graph.int64(-1, keyValueHeads, 1, headDim)]);
  const repeated = graph.node("Expand", [perHead, graph.int64(1, 1, copies, 1)]);
  return batched(graph, repeated, attentionHeads * headDim);
}

function route(graph: Graph, { expertsPerToken, normalizeTopK }: ModelConfig): void {
  const probabilities = graph.node("Softmax", [linear(graph, "normed", "router")], { axis: -1 });
  const top = [probabilities, graph.int64(expertsPerToken)];
  if (!normalizeTopK) {
    graph.node("TopK", top, { axis: -1 }, { names: ["shares", "chosen"] });
    return;
  }
  const [values] = graph.node("TopK", top, { axis: -1 }, { names: ["probability", "chosen"] });
  const sum = graph.node("ReduceSum", [values, graph.int64(-1)], { keepdims: 1 });
  graph.node("Div", [values, sum], {}, { name: "shares" });
}

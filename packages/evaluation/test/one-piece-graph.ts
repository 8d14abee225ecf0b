import type { GroupedAttention, ModelConfig } from "../src/model/config.ts";
import { describeModel, type ModelDescription } from "../src/model/description.ts";
import { modelTensors } from "../src/model/tensor-names.ts";
import { tensorFor } from "../src/model/weight-input.ts";
import { ElementType } from "../src/onnx/encoder.ts";
import { Graph } from "../src/onnx/graph.ts";

/**
 * The whole model as one graph of ONNX's own basic operators: every expert computes every token. Shares neither graphs
 * nor fused operators with the engine, so that agreement says something.
 *
 * In: `tokens` int64[batch, sequence], `targets` int64[N, 1] and all weights. Out: `loss`, the mean in nats.
 */
export function onePieceGraph(config: ModelConfig, batch: number, sequence: number): Graph {
  const graph = new Graph("one_piece");
  graph.input("tokens", ElementType.int64, [batch, sequence]);
  graph.input("targets", ElementType.int64, [batch * sequence, 1]);
  for (const { name, shape } of modelTensors(config)) graph.input(name, ElementType.float32, shape);
  const model = describeModel(config, "per_expert");
  let x = graph.node("Reshape", [
    graph.node("Gather", [model.embedding.tensor, "tokens"]),
    graph.int64(-1, config.hiddenSize),
  ]);
  for (let layer = 0; layer < config.layers; layer += 1) {
    x = graph.node("Add", [x, attention(graph, { config, model }, layer, x, batch, sequence)]);
    x = graph.node("Add", [x, experts(graph, { config, model }, layer, x)]);
  }
  const logits = matmul(graph, norm(graph, config, x, tensorFor(model.head, "norm")), tensorFor(model.head, "head"));
  const logProbabilities = graph.node("LogSoftmax", [logits], { axis: -1 });
  const target = graph.node("GatherElements", [logProbabilities, "targets"], { axis: 1 });
  graph.node("Neg", [graph.node("ReduceMean", [target], { keepdims: 0 })], {}, { name: "loss" });
  graph.output("loss", ElementType.float32, []);
  return graph;
}

interface Described {
  readonly config: ModelConfig;
  readonly model: ModelDescription;
}

function attention(
  graph: Graph,
  { config, model }: Described,
  layer: number,
  x: string,
  batch: number,
  sequence: number,
): string {
  const { heads: attentionHeads, keyValueHeads, headDim } = config.attention as GroupedAttention;
  const named = (input: string) => tensorFor(model.layer(layer).attention, input);
  const normed = norm(graph, config, x, named("inputNorm"));
  const heads = (weight: string, count: number, scale?: string) => {
    const split = graph.node("Reshape", [matmul(graph, normed, weight), graph.int64(batch, sequence, count, headDim)]);
    const scaled = scale === undefined ? split : norm(graph, config, split, scale);
    return graph.node("Transpose", [scaled], { perm: [0, 2, 1, 3] });
  };
  const shared = (y: string) => {
    const copies = graph.node(
      "Concat",
      Array(attentionHeads / keyValueHeads).fill(graph.node("Unsqueeze", [y, graph.int64(2)])),
      { axis: 2 },
    );
    return graph.node("Reshape", [copies, graph.int64(batch, attentionHeads, sequence, headDim)]);
  };
  const query = rotate(graph, config, heads(named("query"), attentionHeads, named("queryNorm")), sequence);
  const key = shared(rotate(graph, config, heads(named("key"), keyValueHeads, named("keyNorm")), sequence));
  const scores = graph.node("MatMul", [query, graph.node("Transpose", [key], { perm: [0, 1, 3, 2] })]);
  const scaled = graph.node("Mul", [scores, graph.float32(1 / Math.sqrt(headDim))]);
  const weights = graph.node("Softmax", [graph.node("Add", [scaled, futureMask(graph, sequence)])], { axis: -1 });
  const attended = graph.node("MatMul", [weights, shared(heads(named("value"), keyValueHeads))]);
  const merged = graph.node("Transpose", [attended], { perm: [0, 2, 1, 3] });
  return matmul(graph, graph.node("Reshape", [merged, graph.int64(-1, attentionHeads * headDim)]), named("output"));
}

/** Sum over all experts of their output times the share that the token gives them, which is mostly zero. */
function experts(graph: Graph, { config, model }: Described, layer: number, x: string): string {
  const { attention: weights, expert: weightsOf } = model.layer(layer);
  const normed = norm(graph, config, x, tensorFor(weights, "feedForwardNorm"));
  const probabilities = graph.node("Softmax", [matmul(graph, normed, tensorFor(weights, "router"))], { axis: -1 });
  const [values, chosen] = graph.node("TopK", [probabilities, graph.int64(config.expertsPerToken)], {}, { outputs: 2 });
  const total = graph.node("ReduceSum", [values, graph.int64(-1)], { keepdims: 1 });
  const kept = config.routing.normalizeTopK ? graph.node("Div", [values, total]) : values;
  const nothing = graph.node("Mul", [probabilities, graph.float32(0)]);
  const shares = graph.node("ScatterElements", [nothing, chosen, kept], { axis: 1 });
  const parts = Array.from({ length: config.experts }, (_, expert) => {
    const [gate, up, down] = ["gate", "up", "down"].map((input) => tensorFor(weightsOf?.(expert), input)) as [
      string,
      string,
      string,
    ];
    const gated = matmul(graph, normed, gate);
    const silu = graph.node("Mul", [gated, graph.node("Sigmoid", [gated])]);
    const output = matmul(graph, graph.node("Mul", [silu, matmul(graph, normed, up)]), down);
    return graph.node("Mul", [output, graph.node("Gather", [shares, graph.int64(expert)], { axis: 1 })]);
  });
  return graph.node("Sum", parts);
}

function rotate(graph: Graph, { attention, rotary }: ModelConfig, x: string, sequence: number): string {
  const { headDim } = attention as GroupedAttention;
  const half = headDim / 2;
  const angles = Array.from(
    { length: sequence * half },
    (_, at) => Math.floor(at / half) / rotary.theta ** ((at % half) / half),
  );
  const table = (values: readonly number[]) =>
    graph.node("Reshape", [graph.float32(...values), graph.int64(sequence, half)]);
  const [cos, sin] = [table(angles.map(Math.cos)), table(angles.map(Math.sin))];
  const part = (from: number, to: number) =>
    graph.node("Slice", [x, graph.int64(from), graph.int64(to), graph.int64(3)]);
  const [first, second] = [part(0, half), part(half, headDim)];
  const turned = graph.node("Sub", [graph.node("Mul", [first, cos]), graph.node("Mul", [second, sin])]);
  const other = graph.node("Add", [graph.node("Mul", [second, cos]), graph.node("Mul", [first, sin])]);
  return graph.node("Concat", [turned, other], { axis: 3 });
}

function futureMask(graph: Graph, sequence: number): string {
  const mask = Array.from({ length: sequence ** 2 }, (_, at) =>
    at % sequence > Math.floor(at / sequence) ? -1e30 : 0,
  );
  return graph.node("Reshape", [graph.float32(...mask), graph.int64(sequence, sequence)]);
}

function norm(graph: Graph, { rmsNormEpsilon }: ModelConfig, x: string, scale: string): string {
  const meanSquare = graph.node("ReduceMean", [graph.node("Mul", [x, x]), graph.int64(-1)], { keepdims: 1 });
  const root = graph.node("Sqrt", [graph.node("Add", [meanSquare, graph.float32(rmsNormEpsilon)])]);
  return graph.node("Mul", [graph.node("Div", [x, root]), scale]);
}

function matmul(graph: Graph, x: string, weight: string): string {
  return graph.node("MatMul", [x, graph.node("Transpose", [weight], { perm: [1, 0] })]);
}

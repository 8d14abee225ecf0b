import type { Graph } from "../onnx/graph.ts";
import type { GroupedAttention, ModelConfig } from "./config.ts";
import { attend, batched, linear, rmsNorm, rotate } from "./operators.ts";
import type { WeightInput } from "./weight-input.ts";

type Projection = "query" | "key" | "value";

/** Inputs that {@link groupedAttention} takes, each with the ending of its tensor's name. */
export function groupedAttentionInputs(
  { hiddenSize }: ModelConfig,
  { heads, keyValueHeads, headDim, bias, norm }: GroupedAttention,
): readonly WeightInput[] {
  const widths = { query: heads * headDim, key: keyValueHeads * headDim, value: keyValueHeads * headDim };
  const projection = (input: string, name: string, outputs: number, inputs: number): readonly WeightInput[] => [
    { input, tensor: `self_attn.${name}.weight`, shape: [outputs, inputs] },
    ...(bias ? [{ input: `${input}Bias`, tensor: `self_attn.${name}.bias`, shape: [outputs] }] : []),
  ];
  const normed = (input: string, name: string, width: number): readonly WeightInput[] =>
    norm === "none"
      ? []
      : [{ input, tensor: `self_attn.${name}.weight`, shape: [norm === "per_head" ? headDim : width] }];
  return [
    ...projection("query", "q_proj", widths.query, hiddenSize),
    ...projection("key", "k_proj", widths.key, hiddenSize),
    ...projection("value", "v_proj", widths.value, hiddenSize),
    ...projection("output", "o_proj", hiddenSize, widths.query),
    ...normed("queryNorm", "q_norm", widths.query),
    ...normed("keyNorm", "k_norm", widths.key),
  ];
}

/** Adds attention to the graph: from the normed hidden state to what is added to the residual, both `[N, hidden]`. */
export function groupedAttention(
  graph: Graph,
  config: ModelConfig,
  attention: GroupedAttention,
  { normed, window }: { readonly normed: string; readonly window: number | null },
): string {
  const { heads, keyValueHeads, headDim, bias } = attention;
  const project = (input: Projection) => linear(graph, normed, input, bias ? `${input}Bias` : undefined);
  const turned = (input: Projection, count: number) => {
    const unit = cut(graph, attention, headNorm(graph, config, attention, project(input), `${input}Norm`));
    return rotate(graph, batched(graph, unit, count * headDim), count, "halves");
  };
  const query = turned("query", heads);
  const key = turned("key", keyValueHeads);
  const value = batched(graph, cut(graph, attention, project("value")), keyValueHeads * headDim);
  const attended = attend(graph, { query, key, value }, { heads, keyValueHeads, window });
  const flat = graph.node("Reshape", [attended, graph.int64(-1, heads * headDim)]);
  return linear(graph, flat, "output", bias ? "outputBias" : undefined);
}

/** Rows of heads, normed. Per head they come back as `[N · heads, headDim]`. */
function headNorm(
  graph: Graph,
  { rmsNormEpsilon }: ModelConfig,
  { norm, headDim }: GroupedAttention,
  x: string,
  scale: string,
): string {
  if (norm === "none") return x;
  const rows = norm === "per_head" ? graph.node("Reshape", [x, graph.int64(-1, headDim)]) : x;
  return rmsNorm(graph, rows, scale, rmsNormEpsilon);
}

/** Not-a-number stays what it is. */
function cut(graph: Graph, { clip }: GroupedAttention, x: string): string {
  return clip === null ? x : graph.node("Clip", [x, graph.float32Scalar(-clip), graph.float32Scalar(clip)]);
}

import { ElementType } from "../onnx/encoder.ts";
import { Graph } from "../onnx/graph.ts";
import type { ModelConfig } from "./config.ts";
import { expertInputs } from "./description.ts";
import type { ExpertTensorLayout } from "./expert-layout.ts";
import { declareWeights, gatedProduct, linear } from "./operators.ts";

/**
 * Adds what `slots` experts of one layer contribute to the tokens that chose them.
 *
 * In: `sum` float32[N, hidden] (what is added to), `normed`, `chosen` and `shares` of the layer's attention,
 * `expert_ids` int64[slots], and each expert's weights under their names in a `LayerDescription` with the slot behind
 * (`gate_0`). Out: `y` float32[N, hidden].
 *
 * One graph serves every layer and every group of this size, since expert ids and weights are inputs. An expert only
 * computes the tokens that chose it, which may be none. A token adds its experts in the order of the slots, so results
 * are equal to the last bit only for the same order.
 */
export function expertGroupGraph(config: ModelConfig, slots: number, layout: ExpertTensorLayout): Graph {
  const { hiddenSize, expertsPerToken } = config;
  const graph = new Graph("expert_group");
  graph.input("sum", ElementType.float32, ["N", hiddenSize]);
  graph.input("normed", ElementType.float32, ["N", hiddenSize]);
  graph.input("chosen", ElementType.int64, ["N", expertsPerToken]);
  graph.input("shares", ElementType.float32, ["N", expertsPerToken]);
  graph.input("expert_ids", ElementType.int64, [slots]);
  addExperts(graph, config, { layout, slots, sum: "sum" });
  graph.output("y", ElementType.float32, ["N", hiddenSize]);
  return graph;
}

export interface AddedExperts {
  readonly layout: ExpertTensorLayout;
  readonly slots: number;
  /** What is added to. */
  readonly sum: string;
}

/** The weights and the sum `y` of {@link expertGroupGraph}, as part of a larger graph that has `expert_ids`. */
export function addExperts(graph: Graph, config: ModelConfig, { layout, slots, sum: first }: AddedExperts): void {
  const { expertsPerToken } = config;
  const pairs: Pairs = {
    chosen: graph.node("Reshape", ["chosen", graph.int64(-1)]),
    shares: graph.node("Reshape", ["shares", graph.int64(-1, 1)]),
    expertsPerToken,
  };
  let sum = first;
  for (let slot = 0; slot < slots; slot += 1) {
    declareWeights(graph, expertInputs(config, layout), `_${slot}`);
    sum = addExpert(graph, { layout, pairs, sum, slot, name: slot === slots - 1 ? "y" : `sum_${slot}` });
  }
}

/** What the router chose, pair by pair of token and expert: `chosen` int64[N · k], `shares` float32[N · k, 1]. */
interface Pairs {
  readonly chosen: string;
  readonly shares: string;
  readonly expertsPerToken: number;
}

interface Expert {
  readonly layout: ExpertTensorLayout;
  readonly pairs: Pairs;
  readonly sum: string;
  readonly slot: number;
  /** Of the sum with this expert. */
  readonly name: string;
}

function addExpert(graph: Graph, { layout, pairs, sum, slot, name }: Expert): string {
  const expert = graph.node("Gather", ["expert_ids", graph.int64(slot)], { axis: 0 });
  const found = graph.node("NonZero", [graph.node("Equal", [pairs.chosen, expert])]);
  const places = graph.node("Reshape", [found, graph.int64(-1)]);
  const tokens = graph.node("Div", [places, graph.int64(pairs.expertsPerToken)]);
  const x = graph.node("Gather", ["normed", tokens], { axis: 0 });
  const share = graph.node("Gather", [pairs.shares, places], { axis: 0 });
  const weighted = graph.node("Mul", [feedForward(graph, layout, x, slot), share]);
  const rows = graph.node("Unsqueeze", [tokens, graph.int64(1)]);
  return graph.node("ScatterND", [sum, rows, weighted], { reduction: "add" }, { name });
}

function feedForward(graph: Graph, layout: ExpertTensorLayout, x: string, slot: number): string {
  if (layout === "per_expert") {
    const inner = gatedProduct(graph, linear(graph, x, `gate_${slot}`), linear(graph, x, `up_${slot}`));
    return linear(graph, inner, `down_${slot}`);
  }
  const product = (input: string, weight: string) =>
    graph.node("Gemm", [input, weight], { transB: layout === "stacked_out_in" ? 1 : 0 });
  const both = product(x, `gate_up_${slot}`);
  const [gate, up] = graph.node("Split", [both], { axis: 1, num_outputs: 2 }, { outputs: 2 });
  return product(gatedProduct(graph, gate, up), `down_${slot}`);
}

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
  let sum = "sum";
  for (let slot = 0; slot < slots; slot += 1) {
    declareWeights(graph, expertInputs(config, layout), `_${slot}`);
    sum = addExpert(graph, layout, sum, slot);
  }
  graph.node("Identity", [sum], {}, { name: "y" });
  graph.output("y", ElementType.float32, ["N", hiddenSize]);
  return graph;
}

function addExpert(graph: Graph, layout: ExpertTensorLayout, sum: string, slot: number): string {
  const expert = graph.node("Gather", ["expert_ids", graph.int64(slot)], { axis: 0 });
  const found = graph.node("NonZero", [graph.node("Equal", ["chosen", expert])]);
  const places = graph.node("Transpose", [found], { perm: [1, 0] });
  const tokens = graph.node("Slice", [places, graph.int64(0), graph.int64(1), graph.int64(1)]);
  const x = graph.node("GatherND", ["normed", tokens]);
  const share = graph.node("Unsqueeze", [graph.node("GatherND", ["shares", places]), graph.int64(1)]);
  const weighted = graph.node("Mul", [feedForward(graph, layout, x, slot), share]);
  return graph.node("ScatterND", [sum, tokens, weighted], { reduction: "add" });
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

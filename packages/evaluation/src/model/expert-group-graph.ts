import { ElementType } from "../onnx/encoder.ts";
import { Graph } from "../onnx/graph.ts";
import type { ModelConfig } from "./config.ts";
import { linear } from "./operators.ts";

/** Input names of one expert's matrices; `slot` counts the experts of a run from 0. */
export function expertInputs(slot: number): { readonly gate: string; readonly up: string; readonly down: string } {
  return { gate: `gate_${slot}`, up: `up_${slot}`, down: `down_${slot}` };
}

/**
 * Adds what `slots` experts of one layer contribute to the tokens that chose them.
 *
 * In: `sum` float32[N, hidden] (what is added to), `normed`, `chosen` and `shares` of the layer's attention,
 * `expert_ids` int64[slots], three matrices per slot. Out: `y` float32[N, hidden].
 *
 * One graph serves every layer and every group of this size, since expert ids and weights are inputs. An expert only
 * computes the tokens that chose it, which may be none. A token adds its experts in the order of the slots, so results
 * are equal to the last bit only for the same order.
 */
export function expertGroupGraph(config: ModelConfig, slots: number): Graph {
  const { hiddenSize, expertIntermediateSize, expertsPerToken } = config;
  const graph = new Graph("expert_group");
  graph.input("sum", ElementType.float32, ["N", hiddenSize]);
  graph.input("normed", ElementType.float32, ["N", hiddenSize]);
  graph.input("chosen", ElementType.int64, ["N", expertsPerToken]);
  graph.input("shares", ElementType.float32, ["N", expertsPerToken]);
  graph.input("expert_ids", ElementType.int64, [slots]);
  let sum = "sum";
  for (let slot = 0; slot < slots; slot += 1) {
    const { gate, up, down } = expertInputs(slot);
    graph.input(gate, ElementType.float32, [expertIntermediateSize, hiddenSize]);
    graph.input(up, ElementType.float32, [expertIntermediateSize, hiddenSize]);
    graph.input(down, ElementType.float32, [hiddenSize, expertIntermediateSize]);
    sum = addExpert(graph, sum, slot);
  }
  graph.node("Identity", [sum], {}, { name: "y" });
  graph.output("y", ElementType.float32, ["N", hiddenSize]);
  return graph;
}

function addExpert(graph: Graph, sum: string, slot: number): string {
  const { gate, up, down } = expertInputs(slot);
  const expert = graph.node("Gather", ["expert_ids", graph.int64(slot)], { axis: 0 });
  const found = graph.node("NonZero", [graph.node("Equal", ["chosen", expert])]);
  const places = graph.node("Transpose", [found], { perm: [1, 0] });
  const tokens = graph.node("Slice", [places, graph.int64(0), graph.int64(1), graph.int64(1)]);
  const x = graph.node("GatherND", ["normed", tokens]);
  const share = graph.node("Unsqueeze", [graph.node("GatherND", ["shares", places]), graph.int64(1)]);
  const gated = linear(graph, x, gate);
  const silu = graph.node("Mul", [gated, graph.node("Sigmoid", [gated])]);
  const inner = graph.node("Mul", [silu, linear(graph, x, up)]);
  const weighted = graph.node("Mul", [linear(graph, inner, down), share]);
  return graph.node("ScatterND", [sum, tokens, weighted], { reduction: "add" });
}

import { createSession } from "../src/engine/sessions.ts";
import { attentionGraph } from "../src/model/attention-graph.ts";
import type { ModelConfig } from "../src/model/config.ts";
import { denseGraph } from "../src/model/dense-graph.ts";
import { describeModel, type LayerDescription } from "../src/model/description.ts";
import { expertGroupGraph } from "../src/model/expert-group-graph.ts";
import type { ExpertTensorLayout } from "../src/model/expert-layout.ts";
import { headGraph } from "../src/model/head-graph.ts";
import type { InitialTensor } from "../src/model/initial-weights.ts";
import { tensorFor, type WeightInput } from "../src/model/weight-input.ts";
import type { Graph } from "../src/onnx/graph.ts";
import { Tensor } from "../src/onnx/runtime.ts";

type Feeds = Readonly<Record<string, Tensor>>;
/** By the outputs of all our graphs. */
type Outputs = Record<"residual" | "normed" | "chosen" | "shares" | "y" | "losses", Tensor>;

export interface GraphModel {
  readonly config: ModelConfig;
  readonly layout: ExpertTensorLayout;
  readonly tensors: ReadonlyMap<string, InitialTensor>;
}

/** Losses of `tokens[n]` given those before it, all experts of a layer in one group; for tests of the graphs alone. */
export async function lossesByGraphs(model: GraphModel, sequences: readonly (readonly number[])[]): Promise<number[]> {
  const { config, layout } = model;
  const length = (sequences[0]?.length ?? 1) - 1;
  const tokens = sequences.flatMap((sequence) => sequence.slice(0, -1));
  const targets = BigInt64Array.from(
    sequences.flatMap((sequence) => sequence.slice(1)),
    BigInt,
  );
  const batchShape = new Tensor("int64", [BigInt(sequences.length), BigInt(length)], [2]);
  const description = describeModel(config, layout);
  let x = embedded(model, tokens);
  for (let layer = 0; layer < config.layers; layer += 1) {
    x = await runLayer(model, description.layer(layer), { x, batch_shape: batchShape, length });
  }
  const { losses } = await runGraph(headGraph(config), {
    x,
    targets: new Tensor("int64", targets, [targets.length, 1]),
    ...fed(model, description.head),
  });
  return [...(losses.data as Float32Array)];
}

/** One graph once, on one thread. */
async function runGraph(graph: Graph, feeds: Feeds): Promise<Outputs> {
  const session = await createSession(graph, 1);
  try {
    return (await session.run(feeds)) as unknown as Outputs;
  } finally {
    await session.release();
  }
}

async function runLayer(
  model: GraphModel,
  { kind, attention, dense, denseIntermediateSize, expert }: LayerDescription,
  { length, ...input }: { readonly x: Tensor; readonly batch_shape: Tensor; readonly length: number },
): Promise<Tensor> {
  const { config, layout } = model;
  const graph = attentionGraph(config, { positions: length, ...kind });
  const { residual, ...routed } = await runGraph(graph, { ...input, ...fed(model, attention) });
  let sum = residual;
  if (dense !== null && denseIntermediateSize !== null) {
    const feeds = { sum, normed: routed.normed, ...fed(model, dense) };
    sum = (await runGraph(denseGraph(config, denseIntermediateSize), feeds)).y;
  }
  if (expert === null) return sum;
  const experts = [...Array(config.experts).keys()];
  const weights = experts.map((index) => fed(model, expert(index), `_${index}`, index));
  const ids = new Tensor("int64", experts.map(BigInt), [experts.length]);
  const feeds = Object.assign({ sum, ...routed, expert_ids: ids }, ...weights);
  return (await runGraph(expertGroupGraph(config, experts.length, layout), feeds)).y;
}

/** Weights by input; of stacked tensors the expert's block. */
function fed({ tensors }: GraphModel, inputs: readonly WeightInput[], ending = "", expert = 0): Record<string, Tensor> {
  return Object.fromEntries(
    inputs.map(({ input, tensor, shape }) => {
      const values = tensors.get(tensor)?.values ?? new Float32Array();
      const size = shape.reduce((product, each) => product * each, 1);
      const first = values.length > size ? expert * size : 0;
      return [`${input}${ending}`, new Tensor("float32", values.subarray(first, first + size), [...shape])];
    }),
  );
}

function embedded({ config, layout, tensors }: GraphModel, tokens: readonly number[]): Tensor {
  const { hiddenSize } = config;
  const { embedding } = describeModel(config, layout);
  const table = tensors.get(tensorFor([embedding], "embedding"))?.values ?? new Float32Array();
  const rows = tokens.flatMap((token) => [...table.subarray(token * hiddenSize, (token + 1) * hiddenSize)]);
  return new Tensor("float32", Float32Array.from(rows), [tokens.length, hiddenSize]);
}

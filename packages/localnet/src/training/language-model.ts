import type { GroupedAttention, ModelConfig } from "@assay/evaluation/model/config";
import { describeModel, type ModelDescription } from "@assay/evaluation/model/description";
import { type ModelTensor, modelTensors } from "@assay/evaluation/model/tensor-names";
import { tensorFor } from "@assay/evaluation/model/weight-input";
import { ElementType } from "@assay/evaluation/onnx/encoder";
import { Graph } from "@assay/evaluation/onnx/graph";
import {
  add,
  broadcast,
  concatenate,
  crossEntropy,
  divide,
  linear,
  logarithm,
  matrixProduct,
  mean,
  multiply,
  reshape,
  rmsNorm,
  rotate,
  rowSum,
  rows,
  scale,
  silu,
  softmax,
  transpose,
} from "./operations.ts";
import { Tape, type Value } from "./tape.ts";

export interface LossGraphOptions {
  readonly config: ModelConfig;
  readonly batch: number;
  readonly sequence: number;
  /** Names of the tensors whose gradients the graph gives beside the loss. */
  readonly trainable: ReadonlySet<string>;
  /** The experts that the router may choose from; the tensors of all others are not needed. */
  readonly experts: readonly number[];
  /** Pulls the router towards some experts for some positions of the batch; left out when the model is measured. */
  readonly affinity?: RouterAffinity;
}

export interface RouterAffinity {
  /** `[batch · sequence, experts]`: 1 where the expert should serve the position, else 0. */
  readonly served: Float32Array;
  /** Share of the pull in the loss, in nats for a router that chooses none of them. */
  readonly strength: number;
}

export interface LossGraph {
  readonly model: Uint8Array;
  /** Names of the tensors that have to be fed. */
  readonly tensors: readonly string[];
}

/** Name of the output that holds a tensor's gradient. */
export function gradientName(tensor: string): string {
  return `gradient:${tensor}`;
}

/**
 * The whole model in one differentiable graph: inputs `ids` and `labels` (int64[batch · sequence]) and every tensor,
 * outputs `loss` and the gradients.
 *
 * All experts of a layer are computed for all tokens and weighted afterwards, zero where the router did not choose
 * them: three large products instead of many small ones, which is faster at the sizes a local subnet uses.
 *
 * @throws RangeError for a model that is not a plain Qwen3-MoE, which is all that local subnets train.
 */
export function buildLossGraph(options: LossGraphOptions): LossGraph {
  const { config, trainable, experts } = options;
  const attention = plainAttention(config);
  const graph = new Graph("loss");
  const tape = new Tape(graph);
  const needed = modelTensors(config).filter(
    ({ expert }) => expert === null || (expert.index !== null && experts.includes(expert.index)),
  );
  const weights = new Map(needed.map((tensor) => [tensor.name, parameterOf(tape, tensor, trainable)]));
  const description = describeModel(config, "per_expert");
  const model = { ...options, attention, description, tape, weights, pulls: [] };

  const loss = lossOf(model);
  graph.node("Identity", [loss.name], {}, { name: "loss" });
  graph.output("loss", ElementType.float32, []);

  const parameters = [...weights.values()].filter(({ name }) => trainable.has(name));
  for (const [index, gradient] of tape.gradients(loss, parameters).entries()) {
    const { name, shape } = parameters[index] ?? gradient;
    graph.node("Identity", [gradient.name], {}, { name: gradientName(name) });
    graph.output(gradientName(name), ElementType.float32, shape);
  }
  return { model: graph.model(), tensors: [...weights.keys()] };
}

interface Model extends LossGraphOptions {
  readonly attention: GroupedAttention;
  readonly description: ModelDescription;
  readonly tape: Tape;
  readonly weights: ReadonlyMap<string, Value>;
  /** What each layer's router adds to the loss. */
  readonly pulls: Value[];
}

interface AttentionTables {
  readonly cos: Value;
  readonly sin: Value;
  /** 0 where a token may look, very negative where it may not. */
  readonly causal: Value;
}

function parameterOf(tape: Tape, { name, shape }: ModelTensor, trainable: ReadonlySet<string>): Value {
  return tape.parameter(name, shape, trainable.has(name));
}

function lossOf(model: Model): Value {
  const { tape, config, description, batch, sequence } = model;
  const ids = tape.graph.input("ids", ElementType.int64, [batch * sequence]);
  const labels = tape.graph.input("labels", ElementType.int64, [batch * sequence]);
  const tables = attentionTables(model);

  let x = rows(tape, weight(model, description.embedding.tensor), ids, batch * sequence);
  for (let layer = 0; layer < config.layers; layer += 1) {
    x = add(tape, x, attend(model, tables, layer, x));
    x = add(tape, x, mixExperts(model, layer, x));
  }
  const normed = rmsNorm(tape, x, weight(model, tensorFor(description.head, "norm")), config.rmsNormEpsilon);
  const head = weight(model, tensorFor(description.head, "head"));
  const loss = crossEntropy(tape, linear(tape, normed, head), labels);
  return model.pulls.reduce((sum, pull) => add(tape, sum, pull), loss);
}

function attend(model: Model, { cos, sin, causal }: AttentionTables, layer: number, x: Value): Value {
  const { tape, config, batch, sequence } = model;
  const { heads: queryHeads, keyValueHeads, headDim } = model.attention;
  const { rmsNormEpsilon } = config;
  const named = (input: string): Value => layerWeight(model, layer, input);
  const h = rmsNorm(tape, x, named("inputNorm"), rmsNormEpsilon);
  const heads = (projection: string, count: number): Value =>
    reshape(tape, linear(tape, h, named(projection)), [batch, sequence, count, headDim]);
  const placed = (projection: string, norm: string, count: number): Value => {
    const unit = rmsNorm(tape, heads(projection, count), named(norm), rmsNormEpsilon);
    return transpose(tape, rotate(tape, unit, { cos, sin }), [0, 2, 1, 3]);
  };
  const query = placed("query", "queryNorm", queryHeads);
  const key = shareHeads(model, placed("key", "keyNorm", keyValueHeads));
  const value = shareHeads(model, transpose(tape, heads("value", keyValueHeads), [0, 2, 1, 3]));

  const likeness = scale(tape, matrixProduct(tape, query, transpose(tape, key, [0, 1, 3, 2])), headDim ** -0.5);
  const seen = matrixProduct(tape, softmax(tape, add(tape, likeness, causal)), value);
  const joined = reshape(tape, transpose(tape, seen, [0, 2, 1, 3]), [batch * sequence, queryHeads * headDim]);
  return linear(tape, joined, named("output"));
}

/** Repeats each head of keys or values for the heads of queries that it serves. */
function shareHeads({ tape, attention, batch, sequence }: Model, x: Value): Value {
  const { heads, keyValueHeads, headDim } = attention;
  const served = heads / keyValueHeads;
  if (served === 1) return x;
  const single = reshape(tape, x, [batch, keyValueHeads, 1, sequence, headDim]);
  const repeated = broadcast(tape, single, [batch, keyValueHeads, served, sequence, headDim]);
  return reshape(tape, repeated, [batch, heads, sequence, headDim]);
}

function mixExperts(model: Model, layer: number, x: Value): Value {
  const { tape, config, trainable, experts } = model;
  const h = rmsNorm(tape, x, layerWeight(model, layer, "feedForwardNorm"), config.rmsNormEpsilon);
  const shares = routerShares(model, linear(tape, h, layerWeight(model, layer, "router")));
  const learns = (expert: number): boolean => trainable.has(expertMatrix(model, layer, expert, "gate"));
  const blocks = [experts.filter(learns), experts.filter((expert) => !learns(expert))];
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => expertBlock(model, { layer, block, h, shares }))
    .reduce((sum, part) => add(tape, sum, part));
}

/** Each expert's share in each token, `[tokens, experts]`; zero for those that the router did not choose. */
function routerShares(model: Model, logits: Value): Value {
  const { tape, config, experts } = model;
  const { graph } = tape;
  const closed = Float32Array.from({ length: config.experts }, (_, expert) => (experts.includes(expert) ? 0 : -1e30));
  const open = closed.every((value) => value === 0)
    ? logits
    : add(tape, logits, tape.constant(`closed:${logits.name}`, closed, [1, config.experts]));
  const likely = softmax(tape, open);
  if (model.affinity !== undefined) model.pulls.push(pull(tape, likely, model.affinity));
  const k = Math.min(config.expertsPerToken, experts.length);
  const [values, chosen] = graph.node("TopK", [likely.name, graph.int64(k)], { axis: -1 }, { outputs: 2 });
  const zeros = tape.emit("Mul", [likely, graph.float32(0)], likely.shape);
  const ones = tape.emit("Add", [tape.emit("Mul", [values, graph.float32(0)], []), graph.float32(1)], []);
  const choice = tape.emit("ScatterElements", [zeros, chosen, ones], likely.shape, { axis: 1 });
  const kept = multiply(tape, likely, choice);
  return config.routing.normalizeTopK ? divide(tape, kept, rowSum(tape, kept)) : kept;
}

/** Falls as the router gives more of its probability to the experts that should serve a position. */
function pull(tape: Tape, likely: Value, { served, strength }: RouterAffinity): Value {
  const target = tape.constant(`served:${likely.name}`, served, likely.shape);
  return scale(tape, mean(tape, logarithm(tape, rowSum(tape, multiply(tape, likely, target)))), -strength);
}

interface ExpertBlock {
  readonly layer: number;
  readonly block: readonly number[];
  readonly h: Value;
  readonly shares: Value;
}

/** The weighted sum of some experts' outputs, with their matrices stacked into three. */
function expertBlock(model: Model, { layer, block, h, shares }: ExpertBlock): Value {
  const { tape, config, batch, sequence } = model;
  const tokens = batch * sequence;
  const width = config.expertIntermediateSize;
  const stacked = (matrix: "gate" | "up" | "down", axis: number): Value =>
    concatenate(
      tape,
      block.map((expert) => weight(model, expertMatrix(model, layer, expert, matrix))),
      axis,
    );
  const gated = silu(tape, linear(tape, h, stacked("gate", 0)));
  const inner = multiply(tape, gated, linear(tape, h, stacked("up", 0)));
  const byExpert = reshape(tape, inner, [tokens, block.length, width]);
  const share = reshape(tape, pick(tape, shares, block), [tokens, block.length, 1]);
  const weighted = reshape(tape, multiply(tape, byExpert, share), [tokens, block.length * width]);
  return linear(tape, weighted, stacked("down", 1));
}

/** Columns of `[tokens, experts]`. */
function pick(tape: Tape, shares: Value, block: readonly number[]): Value {
  const experts = shares.shape[1] ?? 0;
  const selector = Float32Array.from({ length: block.length * experts }, (_, index) =>
    block[Math.floor(index / experts)] === index % experts ? 1 : 0,
  );
  return linear(tape, shares, tape.constant(`pick:${shares.name}:${block}`, selector, [block.length, experts]));
}

function attentionTables({ tape, config, attention, sequence }: Model): AttentionTables {
  const { headDim } = attention;
  const { theta } = config.rotary;
  const half = headDim / 2;
  const table = (of: (angle: number) => number): Float32Array =>
    Float32Array.from({ length: sequence * headDim }, (_, index) => {
      const position = Math.floor(index / headDim);
      return of(position * theta ** (-(index % half) / half));
    });
  const causal = Float32Array.from({ length: sequence * sequence }, (_, index) =>
    index % sequence > Math.floor(index / sequence) ? -1e30 : 0,
  );
  return {
    cos: tape.constant("cos", table(Math.cos), [1, sequence, 1, headDim]),
    sin: tape.constant("sin", table(Math.sin), [1, sequence, 1, headDim]),
    causal: tape.constant("causal", causal, [1, 1, sequence, sequence]),
  };
}

function plainAttention({ architecture, attention, rotary, denseLayers }: ModelConfig): GroupedAttention {
  const usual = architecture === "qwen3_moe" && rotary.scaling.type === "default" && denseLayers.length === 0;
  if (usual && attention.kind === "grouped" && !attention.bias && attention.window === null) return attention;
  throw new RangeError("Only a plain Qwen3-MoE can be trained");
}

function layerWeight(model: Model, layer: number, input: string): Value {
  return weight(model, tensorFor(model.description.layer(layer).attention, input));
}

function expertMatrix({ description }: Model, layer: number, expert: number, matrix: "gate" | "up" | "down"): string {
  return tensorFor(description.layer(layer).expert?.(expert), matrix);
}

function weight({ weights }: Model, name: string): Value {
  const value = weights.get(name);
  if (value === undefined) throw new RangeError(`The graph has no tensor ${name}`);
  return value;
}

import type { GroupLayout } from "@assay/checkpoint/model/model-source";
import type { ExpertGroup } from "@assay/core/units";
import type { ModelConfig } from "../model/config.ts";
import type { LayerDescription, ModelDescription } from "../model/description.ts";
import type { WeightInput } from "../model/weight-input.ts";
import { Tensor } from "../onnx/runtime.ts";
import type { BaseWeights } from "./base-weights.ts";
import type { Chunk } from "./chunks.ts";
import { attentionKey, denseKey, expertKey } from "./model-places.ts";
import type { Attended, ModelSessions, Routing } from "./sessions.ts";
import type { Tensors } from "./tensor-reader.ts";
import type { UnitSource } from "./unit-reader.ts";

/** What comes before a group's experts in the first layer that has experts; the same for all its submissions. */
export interface Trunk {
  readonly chunks: readonly TrunkChunk[];
}

interface TrunkChunk {
  readonly normed: Tensor;
  readonly routing: Routing;
  /** float32[N, hidden]: the layer's residual, its shared expert and the experts of all other groups. */
  readonly sum: Tensor;
}

export interface ForwardComponents {
  readonly sessions: ModelSessions;
  readonly description: ModelDescription;
  readonly groups: ReadonlyMap<ExpertGroup, GroupLayout>;
  /** Routed experts of each layer that has any. */
  readonly expertCounts: ReadonlyMap<number, number>;
  readonly base: BaseWeights;
}

export interface ForwardOptions {
  /** Largest size of one run's logits in bytes. */
  readonly logitsBytes: number;
}

/** Memory that keeping a trunk takes. */
export function trunkBytes({ chunks }: Trunk): number {
  const tensors = chunks.flatMap(({ normed, routing, sum }) => [normed, routing.chosen, routing.shares, sum]);
  return tensors.reduce((bytes, { data }) => bytes + (data as Float32Array | BigInt64Array).byteLength, 0);
}

/**
 * Runs a model layer by layer, each layer over all chunks before the next one, so that a weight is needed once.
 *
 * In the first layer with experts a group's own are added last, so losses of different groups differ in the last bits;
 * in all later layers experts are added in ascending order.
 */
export class LayerwiseForward {
  readonly #components: ForwardComponents;
  readonly #rowsPerHead: number;
  /** The first layer that has experts. */
  readonly firstRouted: number;

  constructor(components: ForwardComponents, { logitsBytes }: ForwardOptions) {
    this.#components = components;
    const { config } = components.sessions;
    this.#rowsPerHead = Math.max(MIN_HEAD_ROWS, Math.floor(logitsBytes / (config.vocabularySize * 4)));
    this.firstRouted = layersOf(components).findIndex(({ expert }) => expert !== null);
  }

  /**
   * Everything that does not depend on the group's own experts.
   *
   * @param embedded float32[N, hidden] for each chunk.
   */
  async trunk(
    chunks: readonly Chunk[],
    embedded: readonly Tensor[],
    group: ExpertGroup,
    signal: AbortSignal,
  ): Promise<Trunk> {
    let xs = embedded;
    for (let layer = 0; layer < this.firstRouted; layer += 1) xs = await this.#layer(layer, chunks, xs, null, signal);
    const tensors = await this.#components.base.unit(this.firstRouted, this.firstRouted + 1);
    const others = this.#expertsOf(this.firstRouted).filter((expert) => !this.#own(group).includes(expert));
    const trunkChunks: TrunkChunk[] = [];
    for (const [index, x] of xs.entries()) {
      const { normed, routing, sum } = await this.#upToExperts(this.firstRouted, chunks[index] as Chunk, x, tensors);
      if (routing === null) throw new Error("The first layer with experts does not route");
      const rest = await this.#addExperts(this.firstRouted, others, { normed, routing, sum }, tensors, signal);
      trunkChunks.push({ normed, routing, sum: rest });
    }
    return { chunks: trunkChunks };
  }

  /**
   * Cross-entropy of every token in nats, chunk by chunk.
   *
   * @param submission the group's experts in place of the base's; null for the base.
   */
  async losses(
    { chunks: trunk }: Trunk,
    chunks: readonly Chunk[],
    group: ExpertGroup,
    submission: UnitSource | null,
    signal: AbortSignal,
  ): Promise<readonly Float32Array[]> {
    const { base, sessions } = this.#components;
    const { config } = sessions;
    const first = this.firstRouted;
    const own = await (submission === null ? base.unit(first, first + 1) : submission.get(first, next(first, config)));
    const summed: Tensor[] = [];
    for (const chunk of trunk) summed.push(await this.#addExperts(first, this.#own(group), chunk, own, signal));
    let xs: readonly Tensor[] = summed;
    for (let layer = first + 1; layer < config.layers; layer += 1) {
      xs = await this.#layer(layer, chunks, xs, submission, signal);
    }
    const head = await base.unit(config.layers, next(first, config) ?? config.layers);
    const losses: Float32Array[] = [];
    for (const [index, x] of xs.entries())
      losses.push(await this.#crossEntropy(x, chunks[index] as Chunk, head, signal));
    return losses;
  }

  async #layer(
    layer: number,
    chunks: readonly Chunk[],
    xs: readonly Tensor[],
    submission: UnitSource | null,
    signal: AbortSignal,
  ): Promise<readonly Tensor[]> {
    const { sessions, description } = this.#components;
    const tensors = await this.#tensors(layer, submission);
    const described = description.layer(layer);
    const weights = {
      ...weightFeeds(described.attention, tensors, attentionKey),
      ...weightFeeds(described.dense ?? [], tensors, denseKey),
      ...expertFeeds(described, this.#expertsOf(layer), tensors),
    };
    const outputs: Tensor[] = [];
    for (const [index, x] of xs.entries()) {
      signal.throwIfAborted();
      const { shape } = chunks[index] as Chunk;
      outputs.push(await sessions.layer(described, { x, batch_shape: shape, ...weights }));
    }
    return outputs;
  }

  /** The base's tensors of a layer with the submission's laid over them: nothing is copied. */
  async #tensors(layer: number, submission: UnitSource | null): Promise<Tensors> {
    const { base, sessions } = this.#components;
    const [tensors, overlay] = await Promise.all([
      base.unit(layer, layer + 1),
      submission?.get(layer, next(layer, sessions.config)),
    ]);
    return overlay === undefined ? tensors : new Map([...tensors, ...overlay]);
  }

  async #upToExperts(
    layer: number,
    { shape }: Chunk,
    x: Tensor,
    tensors: Tensors,
  ): Promise<Omit<Attended, "residual"> & { readonly sum: Tensor }> {
    const { sessions, description } = this.#components;
    const { kind, attention, dense, denseIntermediateSize } = description.layer(layer);
    const feeds = { x, batch_shape: shape, ...weightFeeds(attention, tensors, attentionKey) };
    const { residual, normed, routing } = await sessions.attention(kind, feeds);
    if (dense === null || denseIntermediateSize === null) return { normed, routing, sum: residual };
    const weights = weightFeeds(dense, tensors, denseKey);
    const sum = await sessions.dense(denseIntermediateSize, { sum: residual, normed, ...weights });
    return { normed, routing, sum };
  }

  async #addExperts(
    layer: number,
    experts: readonly number[],
    { normed, routing, sum }: TrunkChunk,
    tensors: Tensors,
    signal: AbortSignal,
  ): Promise<Tensor> {
    const { sessions, description } = this.#components;
    let y = sum;
    for (let first = 0; first < experts.length; first += MAX_SLOTS) {
      signal.throwIfAborted();
      const run = experts.slice(first, first + MAX_SLOTS);
      const weights = expertFeeds(description.layer(layer), run, tensors);
      y = await sessions.experts(run.length, { sum: y, normed, ...routing, expert_ids: ids(run), ...weights });
    }
    return y;
  }

  async #crossEntropy(x: Tensor, { targets }: Chunk, head: Tensors, signal: AbortSignal): Promise<Float32Array> {
    const { sessions, description } = this.#components;
    const { hiddenSize } = sessions.config;
    const weights = weightFeeds(description.head, head, (input) => input);
    const values = x.data as Float32Array;
    const losses = new Float32Array(targets.length);
    for (let first = 0; first < targets.length; first += this.#rowsPerHead) {
      signal.throwIfAborted();
      const end = Math.min(first + this.#rowsPerHead, targets.length);
      const rows = await sessions.head({
        ...weights,
        x: new Tensor("float32", values.subarray(first * hiddenSize, end * hiddenSize), [end - first, hiddenSize]),
        targets: new Tensor("int64", targets.subarray(first, end), [end - first, 1]),
      });
      losses.set(rows.data as Float32Array, first);
    }
    return losses;
  }

  #expertsOf(layer: number): readonly number[] {
    return [...Array(this.#components.expertCounts.get(layer) ?? 0).keys()];
  }

  /** The group's experts in the first layer that has experts. */
  #own(group: ExpertGroup): readonly number[] {
    const experts = this.#components.groups.get(group)?.experts.get(this.firstRouted) ?? [];
    return [...experts].sort((left, right) => left - right);
  }
}

/** Experts of one run: the time to make a session grows with the square of its nodes. */
const MAX_SLOTS = 64;
const MIN_HEAD_ROWS = 64;

/** The layer after this one; null after the last. */
function next(layer: number, { layers }: ModelConfig): number | null {
  return layer + 1 < layers ? layer + 1 : null;
}

function layersOf({ sessions, description }: ForwardComponents): readonly LayerDescription[] {
  return Array.from({ length: sessions.config.layers }, (_, layer) => description.layer(layer));
}

function weightFeeds(
  weights: readonly WeightInput[],
  tensors: Tensors,
  keyOf: (input: string) => string,
): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(weights.map(({ input }) => [input, tensor(tensors, keyOf(input))]));
}

/** The weights of some experts, each under its place in the run. */
function expertFeeds(
  { expert: weightsOf }: LayerDescription,
  experts: readonly number[],
  tensors: Tensors,
): Readonly<Record<string, Tensor>> {
  if (weightsOf === null) return {};
  const feeds = experts.flatMap((expert, slot) =>
    weightsOf(expert).map(({ input }) => [`${input}_${slot}`, tensor(tensors, expertKey(expert, input))] as const),
  );
  return Object.fromEntries(feeds);
}

function tensor(tensors: Tensors, key: string): Tensor {
  const found = tensors.get(key);
  if (found === undefined) throw new Error(`The layer has no tensor ${key}`);
  return found;
}

function ids(experts: readonly number[]): Tensor {
  return new Tensor("int64", experts.map(BigInt), [experts.length]);
}

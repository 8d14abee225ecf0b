import type { ExpertGroup } from "@assay/core/units";
import type { ModelConfig } from "../model/config.ts";
import { describeModel, type ModelDescription, type WeightInput } from "../model/description.ts";
import { Tensor } from "../onnx/runtime.ts";
import type { Batch } from "../text/batches.ts";
import type { ModelSessions } from "./sessions.ts";
import type { GroupLayout, Weights } from "./weights.ts";

/** Everything of one batch that comes before a group's experts in the first layer; the same for all its submissions. */
export interface Trunk {
  readonly routed: Routed;
  /** float32[N, hidden]: the first layer's residual and the experts of all other groups. */
  readonly sum: Tensor;
  readonly batchShape: Tensor;
  readonly targets: BigInt64Array;
}

/** What a layer's experts need of its attention. */
interface Routed {
  readonly normed: Tensor;
  readonly chosen: Tensor;
  readonly shares: Tensor;
}

interface Attended extends Routed {
  readonly residual: Tensor;
}

export interface ForwardOptions {
  /** Largest size of one run's logits in bytes. */
  readonly logitsBudgetBytes: number;
}

/** Memory that keeping a trunk takes. */
export function trunkBytes({ routed, sum }: Trunk): number {
  const tensors = [routed.normed, routed.chosen, routed.shares, sum];
  return tensors.reduce((bytes, { data }) => bytes + (data as Float32Array | BigInt64Array).byteLength, 0);
}

/** Looks a weight up: in the submission first, if there is one. */
export type WeightLookup = (name: string) => Tensor;

/** The base's weights, or those with a submission's laid over them. Nothing is copied; dropping the lookup restores. */
export function lookup(base: Weights, overlay?: Weights): WeightLookup {
  return (name) => {
    const weight = overlay?.get(name) ?? base.get(name);
    if (weight === undefined) throw new Error(`The model has no tensor ${name}`);
    return weight;
  };
}

/** Runs a model layer by layer. The order of additions depends on the group, so losses of different groups differ. */
export class LayerwiseForward {
  readonly #sessions: ModelSessions;
  readonly #description: ModelDescription;
  readonly #groups: ReadonlyMap<ExpertGroup, GroupLayout>;
  readonly #rowsPerRun: number;

  constructor(
    components: { readonly sessions: ModelSessions; readonly groups: ReadonlyMap<ExpertGroup, GroupLayout> },
    options: ForwardOptions,
  ) {
    this.#sessions = components.sessions;
    this.#description = describeModel(components.sessions.config, "per_expert");
    this.#groups = components.groups;
    const rowBytes = components.sessions.config.vocabularySize * Float32Array.BYTES_PER_ELEMENT;
    this.#rowsPerRun = Math.max(1, Math.floor(options.logitsBudgetBytes / rowBytes));
  }

  /** The part that does not depend on the group's own experts. */
  async trunk(batch: Batch, group: ExpertGroup, weight: WeightLookup, signal: AbortSignal): Promise<Trunk> {
    const batchShape = new Tensor("int64", [BigInt(batch.sequences), BigInt(batch.sequenceLength)], [2]);
    const embedded = embed(this.#sessions.config, this.#description, batch, weight);
    const { residual, normed, chosen, shares } = await this.#attention(0, embedded, batchShape, weight);
    let sum = residual;
    for (const other of this.#groups.keys()) {
      signal.throwIfAborted();
      if (other !== group) sum = await this.#experts(0, other, { normed, chosen, shares }, sum, weight);
    }
    return { routed: { normed, chosen, shares }, sum, batchShape, targets: batch.targets };
  }

  /** Sum of the batch's cross-entropies in nats, added up in float64; not finite if any of them is not. */
  async loss(trunk: Trunk, group: ExpertGroup, weight: WeightLookup, signal: AbortSignal): Promise<number> {
    let x = await this.#experts(0, group, trunk.routed, trunk.sum, weight);
    for (let layer = 1; layer < this.#sessions.config.layers; layer += 1) {
      signal.throwIfAborted();
      const routed = await this.#attention(layer, x, trunk.batchShape, weight);
      x = routed.residual;
      for (const each of this.#groups.keys()) {
        signal.throwIfAborted();
        x = await this.#experts(layer, each, routed, x, weight);
      }
    }
    return await this.#crossEntropy(x, trunk.targets, weight, signal);
  }

  async #attention(layer: number, x: Tensor, batchShape: Tensor, weight: WeightLookup): Promise<Attended> {
    const weights = fed(this.#description.layer(layer).attention, weight);
    return await this.#sessions.attention({ x, batch_shape: batchShape, ...weights });
  }

  async #experts(
    layer: number,
    group: ExpertGroup,
    { normed, chosen, shares }: Routed,
    sum: Tensor,
    weight: WeightLookup,
  ): Promise<Tensor> {
    const experts = this.#groups.get(group)?.experts[layer] ?? [];
    if (experts.length === 0) return sum;
    const ids = new Tensor("int64", experts.map(BigInt), [experts.length]);
    const { expert } = this.#description.layer(layer);
    const weights = experts.map((index, slot) => fed(expert?.(index) ?? [], weight, `_${slot}`));
    const feeds = Object.assign({ sum, normed, chosen, shares, expert_ids: ids }, ...weights);
    return await this.#sessions.expertGroup(experts.length, feeds);
  }

  async #crossEntropy(x: Tensor, targets: BigInt64Array, weight: WeightLookup, signal: AbortSignal): Promise<number> {
    const { hiddenSize } = this.#sessions.config;
    const values = x.data as Float32Array;
    const constant = fed(this.#description.head, weight);
    let sum = 0;
    for (let first = 0; first < targets.length; first += this.#rowsPerRun) {
      signal.throwIfAborted();
      const end = Math.min(first + this.#rowsPerRun, targets.length);
      const losses = await this.#sessions.head({
        ...constant,
        x: new Tensor("float32", values.subarray(first * hiddenSize, end * hiddenSize), [end - first, hiddenSize]),
        targets: new Tensor("int64", targets.subarray(first, end), [end - first, 1]),
      });
      for (const loss of losses.data as Float32Array) sum += loss;
    }
    return sum;
  }
}

/** Weights by the graph input that they feed. */
function fed(inputs: readonly WeightInput[], weight: WeightLookup, ending = ""): Record<string, Tensor> {
  return Object.fromEntries(inputs.map(({ input, tensor }) => [`${input}${ending}`, weight(tensor)]));
}

/** Rows of the embedding table, one per token. */
function embed(
  { hiddenSize }: ModelConfig,
  { embedding }: ModelDescription,
  { tokens }: Batch,
  weight: WeightLookup,
): Tensor {
  const table = weight(embedding.tensor).data as Float32Array;
  const x = new Float32Array(tokens.length * hiddenSize);
  for (const [row, token] of tokens.entries()) {
    x.set(table.subarray(token * hiddenSize, (token + 1) * hiddenSize), row * hiddenSize);
  }
  return new Tensor("float32", x, [tokens.length, hiddenSize]);
}

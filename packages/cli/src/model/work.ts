import type { ModelConfig } from "@assay/evaluation/model/config";
import type { LayerDescription, ModelDescription } from "@assay/evaluation/model/description";
import type { WeightInput } from "@assay/evaluation/model/weight-input";

/** Floating-point operations that one token costs in one pass, by where they are spent. */
export interface TokenWork {
  /** Attention, routers, dense feed-forwards and shared experts. */
  readonly trunk: number;
  readonly experts: number;
  readonly head: number;
}

/**
 * What a pass over sequences of this length costs per token: two operations per number of every matrix that the token
 * meets, and four per channel of attention and token of the sequence.
 */
export function workPerToken(config: ModelConfig, model: ModelDescription, sequenceLength: number): TokenWork {
  let trunk = 0;
  let experts = 0;
  for (let index = 0; index < config.layers; index += 1) {
    const layer = model.layer(index);
    const channels = layer.attention.find(({ input }) => input === "output")?.shape[1] ?? config.hiddenSize;
    trunk += products([...layer.attention, ...(layer.dense ?? [])]) + 4 * channels * sequenceLength;
    experts += config.expertsPerToken * expertWork(layer);
  }
  return { trunk, experts, head: products(model.head) };
}

/** Numbers of the model that one token meets; a table of embeddings counts as one row. */
export function parametersPerToken(config: ModelConfig, model: ModelDescription): number {
  const { trunk, experts, head } = workPerToken(config, model, 0);
  return (trunk + experts + head) / 2;
}

function expertWork({ expert }: LayerDescription): number {
  return expert === null ? 0 : products(expert(0));
}

function products(weights: readonly WeightInput[]): number {
  return weights
    .filter(({ shape }) => shape.length > 1)
    .reduce((sum, { shape }) => sum + 2 * shape.reduce((product, length) => product * length, 1), 0);
}

import type { Architecture, GroupedAttention, ModelConfig } from "./config.ts";

/** Sizes of a small model; what is left out is tiny. */
export interface ExampleSizes {
  readonly vocabularySize?: number;
  /** A multiple of twice the heads. */
  readonly hiddenSize?: number;
  readonly layers?: number;
  readonly heads?: number;
  readonly experts?: number;
  readonly expertsPerToken?: number;
  readonly expertIntermediateSize?: number;
}

/** A small model of an architecture with every part that its published models have. */
export function exampleConfig(architecture: Architecture, sizes: ExampleSizes = {}): ModelConfig {
  const { vocabularySize = 256, hiddenSize = 32, layers = 2, heads = 4, experts = 4 } = sizes;
  const { expertsPerToken = 2, expertIntermediateSize = 24 } = sizes;
  const config: ModelConfig = {
    architecture,
    vocabularySize,
    hiddenSize,
    layers,
    attention: groupedAttention(hiddenSize, heads, "per_head"),
    rotary: { theta: 10_000, scaling: { type: "default" } },
    experts,
    expertsPerToken,
    expertIntermediateSize,
    routing: { normalizeTopK: true, scale: 1, groupLimit: null },
    denseLayers: [],
    denseIntermediateSize: null,
    sharedIntermediateSize: null,
    rmsNormEpsilon: 1e-6,
    tiedEmbeddings: false,
  };
  switch (architecture) {
    case "qwen3_moe":
    case "qwen3_vl_moe":
      return config;
    case "mixtral":
      return { ...config, attention: groupedAttention(hiddenSize, heads, "none") };
    case "olmoe": {
      const attention = { ...groupedAttention(hiddenSize, heads, "all_heads"), keyValueHeads: heads };
      return { ...config, attention, routing: { ...config.routing, normalizeTopK: false } };
    }
    case "deepseek_v2":
      return deepseekV2(config, heads);
  }
}

function groupedAttention(hiddenSize: number, heads: number, norm: GroupedAttention["norm"]): GroupedAttention {
  const keyValueHeads = heads % 2 === 0 ? heads / 2 : heads;
  return {
    kind: "grouped",
    heads,
    keyValueHeads,
    headDim: hiddenSize / heads,
    bias: false,
    norm,
    clip: null,
    window: null,
  };
}

/** As DeepSeek-V2-Lite: the first layer is dense, two experts are shared. */
function deepseekV2(config: ModelConfig, heads: number): ModelConfig {
  const headDim = config.hiddenSize / heads;
  const hasDense = config.layers > 1;
  return {
    ...config,
    attention: {
      kind: "latent",
      heads,
      queryRank: null,
      keyValueRank: config.hiddenSize / 2,
      plainDim: headDim,
      rotaryDim: headDim,
      valueDim: headDim,
      bias: false,
    },
    routing: { ...config.routing, normalizeTopK: false },
    denseLayers: hasDense ? [0] : [],
    denseIntermediateSize: hasDense ? 4 * config.expertIntermediateSize : null,
    sharedIntermediateSize: 2 * config.expertIntermediateSize,
  };
}

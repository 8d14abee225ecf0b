/**
 * What one of our architectures computes, whatever `config.json` calls it. Fields say what differs between them; which
 * architecture it is matters only for names of tensors and of fields.
 */
export interface ModelConfig {
  readonly architecture: Architecture;
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  /** Number of layers. */
  readonly layers: number;
  readonly attention: GroupedAttention | LatentAttention;
  readonly rotary: RotaryPositions;
  /** Routed experts of one layer. */
  readonly experts: number;
  readonly expertsPerToken: number;
  /** Width of one routed expert's hidden layer. */
  readonly expertIntermediateSize: number;
  readonly routing: Routing;
  /** Layers whose feed-forward is dense, ascending; all others route. */
  readonly denseLayers: readonly number[];
  /** Width of a dense layer's hidden layer; null where there is none. */
  readonly denseIntermediateSize: number | null;
  /** Width of what serves every token beside the routed experts; null without shared experts. */
  readonly sharedIntermediateSize: number | null;
  readonly rmsNormEpsilon: number;
  /** Whether the output head is the embedding table. */
  readonly tiedEmbeddings: boolean;
}

export const ARCHITECTURES = ["qwen3_moe", "qwen3_vl_moe", "mixtral", "olmoe", "deepseek_v2"] as const;
/** As `model_type` in `config.json`. */
export type Architecture = (typeof ARCHITECTURES)[number];

/** Attention with a key and a value per head, which several heads of queries may share. */
export interface GroupedAttention {
  readonly kind: "grouped";
  /** Heads of queries. */
  readonly heads: number;
  /** Heads of keys and values; each serves `heads / keyValueHeads` heads of queries. */
  readonly keyValueHeads: number;
  /** Width of one head; `heads * headDim` may differ from the hidden size. */
  readonly headDim: number;
  /** Whether the four projections add a vector. */
  readonly bias: boolean;
  /** What the RMS norm of queries and keys spans: one head, all heads together, or nothing. */
  readonly norm: "per_head" | "all_heads" | "none";
  /** Queries, keys and values are cut to this absolute value; null for no limit. */
  readonly clip: number | null;
  /** How many tokens a token sees, its own included; null for all before it. */
  readonly window: number | null;
}

/** DeepSeek's attention: keys and values come from a narrow vector per token, positions from a part that heads share. */
export interface LatentAttention {
  readonly kind: "latent";
  readonly heads: number;
  /** Width of the vector that queries come from; null where they come from the hidden state itself. */
  readonly queryRank: number | null;
  /** Width of the vector that keys and values come from. */
  readonly keyValueRank: number;
  /** Width of a head's part that knows no position. */
  readonly plainDim: number;
  /** Width of a head's part that is turned by its position. */
  readonly rotaryDim: number;
  readonly valueDim: number;
  /** Whether the projections from and to the hidden state add a vector. */
  readonly bias: boolean;
}

export interface RotaryPositions {
  readonly theta: number;
  readonly scaling: RotaryScaling;
}

/** How angles were changed to reach further than the model was trained; the names are Transformers'. */
export type RotaryScaling =
  | { readonly type: "default" }
  | { readonly type: "linear"; readonly factor: number }
  /** Has an effect only on sequences longer than `positions`. */
  | { readonly type: "dynamic"; readonly factor: number; readonly positions: number }
  | YarnScaling
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalPositions: number;
    };

export interface YarnScaling {
  readonly type: "yarn";
  readonly factor: number;
  readonly originalPositions: number;
  readonly betaFast: number;
  readonly betaSlow: number;
  /** Whether the bounds between the two betas are whole dimensions. */
  readonly truncate: boolean;
  /** Factor of cosines and sines; null to derive it from the factor and the two below. */
  readonly attentionFactor: number | null;
  /** How much cosines and sines grow with the factor; 0 for not at all. */
  readonly mscale: number;
  /** How much of that latent attention takes back, to apply it to whole heads instead; 0 for nothing. */
  readonly mscaleAllDim: number;
}

/** How a token's experts are chosen from the softmax of its router scores, and what each one's output counts. */
export interface Routing {
  /** Whether the probabilities of a token's chosen experts are divided by their sum. */
  readonly normalizeTopK: boolean;
  /** What shares are multiplied by. */
  readonly scale: number;
  /**
   * Experts stand in `groups` equal groups in order, and a token's experts come only from the `kept` groups that hold
   * the highest single probabilities; null for no such limit.
   */
  readonly groupLimit: { readonly groups: number; readonly kept: number } | null;
}

/** Width of what is turned by positions in one head. */
export function rotaryDim({ attention }: ModelConfig): number {
  return attention.kind === "grouped" ? attention.headDim : attention.rotaryDim;
}

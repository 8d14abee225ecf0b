import type { Architecture, ModelConfig } from "./config.ts";
import type { ExpertTensorLayout } from "./expert-layout.ts";

/** The output head, in every architecture. */
export const HEAD = "lm_head.weight";

/** Where an architecture's files keep what. */
interface Naming {
  /** What the names of all but the head begin with. */
  readonly prefix: string;
  /** Name of the block with router and experts; stacked experts are always in `mlp`. */
  readonly routedBlock: string;
  readonly expert: Readonly<Record<"gate" | "up" | "down", string>>;
}

const PROJECTIONS = { gate: "gate_proj", up: "up_proj", down: "down_proj" } as const;
const USUAL: Naming = { prefix: "model.", routedBlock: "mlp", expert: PROJECTIONS };
const NAMING: Readonly<Record<Architecture, Naming>> = {
  qwen3_moe: USUAL,
  qwen3_vl_moe: { ...USUAL, prefix: "model.language_model." },
  mixtral: { ...USUAL, routedBlock: "block_sparse_moe", expert: { gate: "w1", up: "w3", down: "w2" } },
  olmoe: USUAL,
  deepseek_v2: USUAL,
};

/** Hugging Face's name of the table that tokens look their rows up in. */
export function embeddingName({ architecture }: ModelConfig): string {
  return `${NAMING[architecture].prefix}embed_tokens.weight`;
}

export function finalNormName({ architecture }: ModelConfig): string {
  return `${NAMING[architecture].prefix}norm.weight`;
}

/** What the names of one layer's tensors begin with, without a dot at the end. */
export function layerPrefix({ architecture }: ModelConfig, layer: number): string {
  return `${NAMING[architecture].prefix}layers.${layer}`;
}

export function routerName(config: ModelConfig, layout: ExpertTensorLayout, layer: number): string {
  return `${routedBlock(config, layout, layer)}.gate.weight`;
}

/** Names of one expert's matrices; stacked ones hold all experts of the layer. */
export function expertNames(
  config: ModelConfig,
  layout: ExpertTensorLayout,
  layer: number,
  expert: number,
): Readonly<Record<string, string>> {
  const experts = `${routedBlock(config, layout, layer)}.experts`;
  if (layout !== "per_expert") return { gate_up: `${experts}.gate_up_proj`, down: `${experts}.down_proj` };
  const { gate, up, down } = NAMING[config.architecture].expert;
  const matrix = (name: string) => `${experts}.${expert}.${name}.weight`;
  return { gate: matrix(gate), up: matrix(up), down: matrix(down) };
}

/** Names of a dense layer's matrices, or of what a routing layer's experts share. */
export function denseNames(
  config: ModelConfig,
  layer: number,
  part: "own" | "shared",
): Readonly<Record<string, string>> {
  const block = `${layerPrefix(config, layer)}.mlp${part === "own" ? "" : ".shared_experts"}`;
  return Object.fromEntries(Object.entries(PROJECTIONS).map(([input, name]) => [input, `${block}.${name}.weight`]));
}

function routedBlock(config: ModelConfig, layout: ExpertTensorLayout, layer: number): string {
  const block = layout === "per_expert" ? NAMING[config.architecture].routedBlock : "mlp";
  return `${layerPrefix(config, layer)}.${block}`;
}

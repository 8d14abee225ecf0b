import { type ConfigJson, required, type TextConfigJson } from "./config-json.ts";
import { type Definition, definitionOf } from "./definition.ts";
import type { GroupedAttention } from "./grouped-attention.ts";
import type { LatentAttention } from "./latent-attention.ts";

type Shapes = ReadonlyMap<string, readonly number[]>;
type Entry = readonly [name: string, shape: readonly number[]];

/** Every tensor of a model with an expert's tensors each by itself, by its name on the hub. */
export function tensorShapes(config: ConfigJson): Shapes {
  const definition = definitionOf(config);
  const text = config.text_config ?? config;
  const [vocabulary, hidden] = [required(text, "vocab_size"), required(text, "hidden_size")];
  const layers = Array.from({ length: definition.layers }, (_, layer) => layerShapes(config, definition, layer));
  return new Map<string, readonly number[]>([
    [`${definition.prefix}embed_tokens.weight`, [vocabulary, hidden]],
    ...layers.flat(),
    [`${definition.prefix}norm.weight`, [hidden]],
    ...(definition.tiedEmbeddings ? [] : [["lm_head.weight", [vocabulary, hidden]] as const]),
  ]);
}

function layerShapes(config: ConfigJson, { prefix, attention, feedForward }: Definition, layer: number): Entry[] {
  const text = config.text_config ?? config;
  const hidden = required(text, "hidden_size");
  const experts = feedForward(layer);
  const parts =
    experts === null
      ? gatedShapes("mlp.", hidden, required(text, "intermediate_size"))
      : expertShapes(config, hidden, experts.routing.experts);
  const entries: Entry[] = [
    ["input_layernorm.weight", [hidden]],
    ["post_attention_layernorm.weight", [hidden]],
    ...(attention.kind === "grouped" ? groupedShapes(attention, hidden) : latentShapes(attention, text, hidden)),
    ...parts,
  ];
  return entries.map(([name, shape]) => [`${prefix}layers.${layer}.${name}`, shape]);
}

function groupedShapes(attention: GroupedAttention, hidden: number): Entry[] {
  const queries = attention.heads * attention.headWidth;
  const keys = attention.keyValueHeads * attention.headWidth;
  const norms: Readonly<Record<string, readonly [number, number]>> = {
    head: [attention.headWidth, attention.headWidth],
    projection: [queries, keys],
  };
  const norm = norms[attention.queryKeyNorm ?? ""];
  const rows: readonly Entry[] = [
    ["q_proj", [queries, hidden]],
    ["k_proj", [keys, hidden]],
    ["v_proj", [keys, hidden]],
    ["o_proj", [hidden, queries]],
  ];
  return [
    ...rows.flatMap(([name, shape]) => linearShapes(`self_attn.${name}`, shape, attention.bias)),
    ...(norm === undefined ? [] : [["self_attn.q_norm.weight", [norm[0]]] as const]),
    ...(norm === undefined ? [] : [["self_attn.k_norm.weight", [norm[1]]] as const]),
  ];
}

function latentShapes(attention: LatentAttention, config: TextConfigJson, hidden: number): Entry[] {
  const { heads, latentWidth, plainWidth, rotaryWidth, valueWidth, bias } = attention;
  const queries = heads * (plainWidth + rotaryWidth);
  return [
    ...(attention.latentQueries
      ? latentQueryShapes(required(config, "q_lora_rank"), { queries, hidden, bias })
      : linearShapes("self_attn.q_proj", [queries, hidden], false)),
    ...linearShapes("self_attn.kv_a_proj_with_mqa", [latentWidth + rotaryWidth, hidden], bias),
    ["self_attn.kv_a_layernorm.weight", [latentWidth]],
    ...linearShapes("self_attn.kv_b_proj", [heads * (plainWidth + valueWidth), latentWidth], false),
    ...linearShapes("self_attn.o_proj", [hidden, heads * valueWidth], bias),
  ];
}

function latentQueryShapes(
  rank: number,
  { queries, hidden, bias }: { readonly queries: number; readonly hidden: number; readonly bias: boolean },
): Entry[] {
  return [
    ...linearShapes("self_attn.q_a_proj", [rank, hidden], bias),
    ["self_attn.q_a_layernorm.weight", [rank]],
    ...linearShapes("self_attn.q_b_proj", [queries, rank], false),
  ];
}

function linearShapes(name: string, shape: readonly number[], bias: boolean): Entry[] {
  return [[`${name}.weight`, shape], ...(bias ? [[`${name}.bias`, shape.slice(0, 1)] as const] : [])];
}

function expertShapes(config: ConfigJson, hidden: number, count: number): Entry[] {
  const text = config.text_config ?? config;
  const block = config.model_type === "mixtral" ? "block_sparse_moe" : "mlp";
  const width = text.moe_intermediate_size ?? required(text, "intermediate_size");
  const experts = Array.from({ length: count }, (_, expert) =>
    gatedShapes(`${block}.experts.${expert}.`, hidden, width).map(
      ([name, shape]): Entry => [config.model_type === "mixtral" ? mixtralName(name) : name, shape],
    ),
  );
  const shared =
    text.n_shared_experts == null ? [] : gatedShapes("mlp.shared_experts.", hidden, width * text.n_shared_experts);
  return [[`${block}.gate.weight`, [count, hidden]], ...experts.flat(), ...shared];
}

function gatedShapes(name: string, hidden: number, width: number): Entry[] {
  return [
    [`${name}gate_proj.weight`, [width, hidden]],
    [`${name}up_proj.weight`, [width, hidden]],
    [`${name}down_proj.weight`, [hidden, width]],
  ];
}

function mixtralName(name: string): string {
  return name.replace("gate_proj", "w1").replace("down_proj", "w2").replace("up_proj", "w3");
}

import { isDeepStrictEqual } from "node:util";
import { deepseekV2Json, parseDeepseekV2 } from "./architectures/deepseek-v2.ts";
import { invalid, isJson, type Json, refuse, unsupported } from "./architectures/fields.ts";
import { mixtralJson, parseMixtral } from "./architectures/mixtral.ts";
import { olmoeJson, parseOlmoe } from "./architectures/olmoe.ts";
import { parseQwen3Moe, parseQwen3VlMoe, qwen3MoeJson, qwen3VlMoeJson } from "./architectures/qwen3-moe.ts";
import type { Architecture, ModelConfig } from "./config.ts";

export type ModelConfigJson = Json;

interface ArchitectureJson {
  /** Name of Transformers' class. */
  readonly name: string;
  readonly parse: (json: Json) => ModelConfig;
  readonly write: (config: ModelConfig) => Json;
}

const BY_ARCHITECTURE: Readonly<Record<Architecture, ArchitectureJson>> = {
  qwen3_moe: { name: "Qwen3MoeForCausalLM", parse: parseQwen3Moe, write: qwen3MoeJson },
  qwen3_vl_moe: { name: "Qwen3VLMoeForConditionalGeneration", parse: parseQwen3VlMoe, write: qwen3VlMoeJson },
  mixtral: { name: "MixtralForCausalLM", parse: parseMixtral, write: mixtralJson },
  olmoe: { name: "OlmoeForCausalLM", parse: parseOlmoe, write: olmoeJson },
  deepseek_v2: { name: "DeepseekV2ForCausalLM", parse: parseDeepseekV2, write: deepseekV2Json },
};

/**
 * Reads a Hugging Face `config.json`.
 *
 * Values that Transformers would take by default are taken here too where the published models leave them out; the
 * sizes have to be given.
 *
 * @throws EvaluationError `EVALUATION_MODEL_UNSUPPORTED` naming the first architecture or feature that we cannot
 *   compute exactly, `EVALUATION_MODEL_INVALID` naming the first field that is missing, ill-typed or contradictory.
 */
export function parseModelConfig(json: unknown): ModelConfig {
  if (!isJson(json)) throw invalid("config.json", "is not an object");
  const { architectures } = json;
  const name = Array.isArray(architectures) && architectures.length === 1 ? architectures[0] : undefined;
  const architecture = Object.values(BY_ARCHITECTURE).find((each) => each.name === name);
  if (architecture === undefined) throw unsupported("architectures", architectures);
  refuse([["quantization_config", json.quantization_config, json.quantization_config == null]]);
  const config = architecture.parse(json);
  const routed = config.layers - config.denseLayers.length;
  refuse([["routed_layers", routed, routed > 0]]);
  return config;
}

/**
 * The `config.json` that {@link parseModelConfig} reads as this configuration.
 *
 * @throws RangeError for a configuration that its architecture cannot have (a caller's bug), EvaluationError as
 *   {@link parseModelConfig} for sizes that contradict each other.
 */
export function modelConfigJson(config: ModelConfig): ModelConfigJson {
  const { name, write } = BY_ARCHITECTURE[config.architecture];
  const json = { architectures: [name], model_type: config.architecture, ...write(config) };
  if (isDeepStrictEqual(parseModelConfig(json), config)) return json;
  throw new RangeError(`${name} cannot be configured as ${JSON.stringify(config)}`);
}

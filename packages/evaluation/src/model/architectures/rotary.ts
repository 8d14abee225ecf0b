import type { RotaryPositions, RotaryScaling, YarnScaling } from "../config.ts";
import {
  type Field,
  flag,
  isJson,
  type Json,
  optionalPositive,
  positive,
  refuse,
  size,
  unsupported,
} from "./fields.ts";

/** Which yarn scales count that are not given together: none (Transformers), or each for itself (DeepSeek's own code). */
export type MscaleRule = "both" | "each";

/**
 * Reads how positions turn queries and keys. Older files keep `rope_theta` beside `rope_scaling`, newer ones everything
 * in `rope_parameters`; the kind is `rope_type`, once `type`.
 *
 * @param theta what the architecture takes for a missing `rope_theta`.
 * @see https://github.com/huggingface/transformers `modeling_rope_utils.py`
 */
export function parseRotary(json: Json, theta: number, mscaleRule: MscaleRule = "both"): RotaryPositions {
  const field = json.rope_parameters == null ? "rope_scaling" : "rope_parameters";
  const given = json[field];
  if (given != null && !isJson(given)) throw unsupported(field, given);
  const rope: Json = { rope_theta: json.rope_theta, ...given };
  const partial = rope.partial_rotary_factor ?? json.partial_rotary_factor ?? 1;
  refuse([["partial_rotary_factor", partial, partial === 1]]);
  return { theta: positive(rope, "rope_theta", theta), scaling: parseScaling({ json, rope, field, mscaleRule }) };
}

/** The fields that {@link parseRotary} reads as these positions. */
export function rotaryJson({ theta, scaling }: RotaryPositions): Json {
  const rest = scaling.type === "dynamic" ? { max_position_embeddings: scaling.positions } : {};
  return { rope_theta: theta, rope_scaling: scalingJson(scaling), ...rest };
}

interface RopeJson {
  readonly json: Json;
  /** What stands in `field`, with `rope_theta`. */
  readonly rope: Json;
  readonly field: "rope_scaling" | "rope_parameters";
  readonly mscaleRule: MscaleRule;
}

function parseScaling(source: RopeJson): RotaryScaling {
  const { json, rope, field } = source;
  const type = rope.rope_type ?? rope.type ?? "default";
  switch (type) {
    case "default":
      // A layer kind as a key means that layers differ, which none of our architectures does.
      refuse([[field, json[field], !Object.values(rope).some(isJson)]]);
      return { type: "default" };
    case "linear":
      return { type: "linear", factor: positive(rope, "factor") };
    case "dynamic":
      return { type: "dynamic", factor: positive(rope, "factor"), positions: size(json, "max_position_embeddings") };
    case "yarn":
      return parseYarn(source);
    case "llama3":
      return {
        type: "llama3",
        factor: positive(rope, "factor"),
        lowFrequencyFactor: positive(rope, "low_freq_factor"),
        highFrequencyFactor: positive(rope, "high_freq_factor"),
        originalPositions: size(rope, "original_max_position_embeddings"),
      };
    default:
      throw unsupported(field, json[field]);
  }
}

function parseYarn({ json, rope, mscaleRule }: RopeJson): RotaryScaling {
  const given = rope.original_max_position_embeddings != null;
  const originalPositions = given
    ? size(rope, "original_max_position_embeddings")
    : size(json, "max_position_embeddings");
  return {
    type: "yarn",
    factor: rope.factor == null ? size(json, "max_position_embeddings") / originalPositions : positive(rope, "factor"),
    originalPositions,
    betaFast: notZero(rope, "beta_fast") ?? 32,
    betaSlow: notZero(rope, "beta_slow") ?? 1,
    truncate: flag(rope, "truncate", true),
    attentionFactor: optionalPositive(rope, "attention_factor"),
    ...parseMscales(rope, mscaleRule),
  };
}

function parseMscales(rope: Json, rule: MscaleRule): Pick<YarnScaling, "mscale" | "mscaleAllDim"> {
  const [mscale, mscaleAllDim] = [notZero(rope, "mscale"), notZero(rope, "mscale_all_dim")];
  if (rule === "each") return { mscale: mscale ?? (rope.mscale === 0 ? 0 : 1), mscaleAllDim: mscaleAllDim ?? 0 };
  if (mscale === null || mscaleAllDim === null) return { mscale: 1, mscaleAllDim: 0 };
  return { mscale, mscaleAllDim };
}

/** Zero counts as not given, as in Transformers. */
function notZero(rope: Json, field: Field): number | null {
  return rope[field] === 0 ? null : optionalPositive(rope, field);
}

function scalingJson(scaling: RotaryScaling): Json | null {
  switch (scaling.type) {
    case "default":
      return null;
    case "linear":
    case "dynamic":
      return { rope_type: scaling.type, factor: scaling.factor };
    case "yarn":
      return {
        rope_type: scaling.type,
        factor: scaling.factor,
        original_max_position_embeddings: scaling.originalPositions,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        truncate: scaling.truncate,
        ...(scaling.attentionFactor === null ? {} : { attention_factor: scaling.attentionFactor }),
        ...(scaling.mscale === 1 && scaling.mscaleAllDim === 0
          ? {}
          : { mscale: scaling.mscale, mscale_all_dim: scaling.mscaleAllDim }),
      };
    case "llama3":
      return {
        rope_type: scaling.type,
        factor: scaling.factor,
        low_freq_factor: scaling.lowFrequencyFactor,
        high_freq_factor: scaling.highFrequencyFactor,
        original_max_position_embeddings: scaling.originalPositions,
      };
  }
}

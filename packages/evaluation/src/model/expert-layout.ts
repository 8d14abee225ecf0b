import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import type { Architecture, ModelConfig } from "./config.ts";

/**
 * How a model's files hold its routed experts: a tensor per matrix and expert, or one tensor per layer and kind of
 * matrix with the experts stacked along its first dimension.
 *
 * Stacked, an expert's gate and up matrices are one block, gate first. A block is `[inputs, outputs]` (as the published
 * Qwen3-VL-MoE files have it) or `[outputs, inputs]` (as newer Transformers write all others).
 */
export type ExpertTensorLayout = "per_expert" | "stacked_in_out" | "stacked_out_in";

/** The layout of the files that an architecture's makers published. */
export function publishedLayout(architecture: Architecture): ExpertTensorLayout {
  return architecture === "qwen3_vl_moe" ? "stacked_in_out" : "per_expert";
}

/**
 * Reads the layout off one expert's tensors.
 *
 * @param tensors by name, without the stacking dimension.
 * @throws EvaluationError `EVALUATION_MODEL_INVALID` if stacked blocks have neither shape.
 */
export function expertTensorLayout(
  { hiddenSize, expertIntermediateSize }: ModelConfig,
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
): ExpertTensorLayout {
  const down = blockNamed(tensors, ".experts.down_proj");
  const gateUp = blockNamed(tensors, ".experts.gate_up_proj");
  if (down === undefined || gateUp === undefined) return "per_expert";
  // At most one of the two blocks is square, so together they are never ambiguous.
  const shapes = `${gateUp.join("x")} and ${down.join("x")}`;
  const [inner, outer] = [expertIntermediateSize, hiddenSize];
  if (shapes === `${outer}x${2 * inner} and ${inner}x${outer}`) return "stacked_in_out";
  if (shapes === `${2 * inner}x${outer} and ${outer}x${inner}`) return "stacked_out_in";
  throw new EvaluationError(EvaluationErrorCode.ModelInvalid, "Stacked experts have another shape than configured", {
    fields: { shapes, hidden_size: hiddenSize, moe_intermediate_size: expertIntermediateSize },
  });
}

function blockNamed(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  ending: string,
): readonly number[] | undefined {
  return [...tensors].find(([name]) => name.endsWith(ending))?.[1].shape;
}

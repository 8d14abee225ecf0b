import { CheckpointError, CheckpointErrorCode } from "../checkpoint-error.ts";
import { tensorBytes } from "../safetensors/dtype.ts";
import type { TensorPlace } from "../safetensors/tensor-place.ts";
import type { GroupExperts } from "./expert-groups.ts";
import { expertOf, isUnknownExpert } from "./expert-names.ts";

/** Where each routed expert's tensors lie. */
export interface ExpertPlaces {
  /** Layers that have experts, ascending; and how many experts each has. */
  readonly layers: ReadonlyMap<number, number>;
  /**
   * By the tensor's real name. For stacked experts the name is the whole tensor's (`…mlp.experts.gate_up_proj`), and
   * the place is this expert's own block: shape without the first dimension, offset of its first byte.
   *
   * @throws RangeError for an expert that is not there (a caller's bug).
   */
  of(layer: number, expert: number): ReadonlyMap<string, TensorPlace>;
}

/**
 * The experts of a whole model.
 *
 * @throws CheckpointError `CHECKPOINT_MODEL_INVALID` when a name is not understood, a layer's experts are numbered with
 *   holes, do not all have the same tensors, or are partly stacked.
 */
export function modelExperts(tensors: ReadonlyMap<string, TensorPlace>): ExpertPlaces {
  const layers = sortOut(tensors);
  const counts = new Map([...layers].map(([layer, experts]) => [layer, countExperts(layer, experts)]));
  return {
    layers: counts,
    of(layer, expert) {
      const there = Number.isSafeInteger(expert) && expert >= 0 && expert < (counts.get(layer) ?? 0);
      return expertTensors(layers, layer, expert, there ? expert : -1);
    },
  };
}

/** The experts of one group's slice. `experts` says whose rows its stacked tensors hold. */
export function sliceExperts(
  tensors: ReadonlyMap<string, TensorPlace>,
  experts: GroupExperts,
): Pick<ExpertPlaces, "of"> {
  const layers = sortOut(tensors);
  return {
    of: (layer, expert) => expertTensors(layers, layer, expert, experts.get(layer)?.indexOf(expert) ?? -1),
  };
}

/** A layer's routed experts, each with tensors of its own or all stacked. */
interface LayerExperts {
  readonly apart: Map<number, Map<string, TensorPlace>>;
  readonly stacked: Map<string, TensorPlace>;
}

/** Ascending by layer. */
function sortOut(tensors: ReadonlyMap<string, TensorPlace>): ReadonlyMap<number, LayerExperts> {
  const layers = new Map<number, LayerExperts>();
  for (const [name, place] of tensors) {
    if (isUnknownExpert(name)) throw invalid("The name of an expert's tensor is not understood", { tensor: name });
    const position = expertOf(name);
    if (position === null) continue;
    const layer = layers.get(position.layer) ?? { apart: new Map(), stacked: new Map() };
    layers.set(position.layer, layer);
    if (position.expert === null) layer.stacked.set(name, place);
    else layer.apart.set(position.expert, (layer.apart.get(position.expert) ?? new Map()).set(name, place));
  }
  return new Map([...layers].sort(([left], [right]) => left - right));
}

function countExperts(layer: number, { apart, stacked }: LayerExperts): number {
  if (apart.size > 0 && stacked.size > 0) throw invalid("A layer's experts are partly stacked", { layer });
  return stacked.size > 0 ? countStacked(layer, stacked) : countApart(layer, apart);
}

function countStacked(layer: number, stacked: ReadonlyMap<string, TensorPlace>): number {
  const counts = new Set([...stacked.values()].map(({ shape }) => (shape.length > 1 ? shape[0] : undefined)));
  const [count] = counts;
  if (counts.size === 1 && count !== undefined) return count;
  throw invalid("A layer's stacked tensors do not hold the same number of experts", { layer });
}

function countApart(layer: number, apart: LayerExperts["apart"]): number {
  const first = describeExpert(apart.get(0));
  for (let expert = 0; expert < apart.size; expert += 1) {
    const tensors = apart.get(expert);
    if (tensors === undefined) throw invalid("A layer's experts are not numbered 0, 1, 2, …", { layer, expert });
    if (describeExpert(tensors) === first) continue;
    throw invalid("An expert's tensors are not those of its layer's first expert", { layer, expert });
  }
  return apart.size;
}

/** The same text for experts whose tensors differ in the expert's number only. */
function describeExpert(tensors: ReadonlyMap<string, TensorPlace> | undefined): string {
  const lines = [...(tensors ?? [])].map(
    ([name, { dtype, shape }]) => `${name.replace(/[.]experts[.]\d+[.]/, ".")} ${dtype} ${shape}`,
  );
  return lines.sort().join("\n");
}

function expertTensors(
  layers: ReadonlyMap<number, LayerExperts>,
  layer: number,
  expert: number,
  row: number,
): ReadonlyMap<string, TensorPlace> {
  const { apart, stacked } = layers.get(layer) ?? {};
  const own = apart?.get(expert);
  if (row === -1 || (own === undefined && (stacked?.size ?? 0) === 0)) {
    throw new RangeError(`Layer ${layer} has no expert ${expert}`);
  }
  return own ?? new Map([...(stacked ?? [])].map(([name, place]) => [name, block(place, row)]));
}

function block({ dtype, shape, path, offset }: TensorPlace, row: number): TensorPlace {
  const inner = { dtype, shape: shape.slice(1) };
  return { ...inner, path, offset: offset + row * tensorBytes(inner) };
}

function invalid(message: string, fields: Readonly<Record<string, string | number>>): CheckpointError {
  return new CheckpointError(CheckpointErrorCode.ModelInvalid, message, { fields });
}

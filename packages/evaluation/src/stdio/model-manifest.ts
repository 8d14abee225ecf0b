import { type ModelSource, openModelSource } from "@assay/checkpoint/model/model-source";
import type { TensorShape } from "@assay/checkpoint/safetensors/dtype";
import type { TensorPlace } from "@assay/checkpoint/safetensors/tensor-place";
import { isAppError } from "@assay/core/app-error";
import { EvaluationError, EvaluationErrorCode } from "../evaluation-error.ts";
import type { Manifest } from "./protocol.ts";

type Place = Manifest["shared"][string];

/**
 * Where every tensor of a version lies, for a program that does not know how we lay out files. Only headers are read.
 *
 * @throws EvaluationError `EVALUATION_MODEL_INVALID` if a file cannot be read; CheckpointError as `openModelSource` says.
 */
export async function describeVersion(directory: string): Promise<Manifest> {
  try {
    return manifestOf(await openModelSource(directory));
  } catch (cause) {
    if (isAppError(cause)) throw cause;
    throw new EvaluationError(EvaluationErrorCode.ModelInvalid, "The version cannot be described", {
      fields: { directory },
      cause,
    });
  }
}

function manifestOf({ config, shared, experts, groups }: ModelSource): Manifest {
  const files = new Map<string, number>();
  const placesOf = (tensors: ReadonlyMap<string, TensorPlace>) => mapped(tensors, (tensor) => placeOf(tensor, files));
  return {
    config,
    shared: placesOf(shared),
    experts: mapped(experts.layers, (count, layer) =>
      Array.from({ length: count }, (_, expert) => placesOf(experts.of(layer, expert))),
    ),
    groups: [...groups].map(([group, layout]) => ({
      group,
      experts: mapped(layout.experts, (members) => [...members]),
      tensors: mapped(layout.tensors, shapeOf),
    })),
    // Last: the places above have named them.
    files: [...files.keys()],
  };
}

function placeOf({ path, offset, ...tensor }: TensorPlace, files: Map<string, number>): Place {
  const file = files.get(path) ?? files.size;
  files.set(path, file);
  return { ...shapeOf(tensor), file, offset };
}

function shapeOf({ dtype, shape }: TensorShape): { readonly dtype: string; shape: number[] } {
  return { dtype, shape: [...shape] };
}

function mapped<Key, Value, Result>(
  map: ReadonlyMap<Key, Value>,
  change: (value: Value, key: Key) => Result,
): Record<string, Result> {
  return Object.fromEntries([...map].map(([key, value]) => [String(key), change(value, key)]));
}

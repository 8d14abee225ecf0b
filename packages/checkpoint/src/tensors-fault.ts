import type { RejectionReason } from "@assay/core/scoring/outcome";
import { isDtype, type TensorShape } from "./safetensors/dtype.ts";
import { quote } from "./safetensors/header-json.ts";

/** What is wrong with the tensors that a header states; `detail` is safe to log and to send back. */
export interface TensorsFault {
  readonly reason: Extract<RejectionReason, "tensor_set_mismatch" | "shape_mismatch" | "dtype_mismatch">;
  readonly detail: string;
}

/** Tensors as a header states them; nothing else of it is looked at. */
type Stated = ReadonlyMap<string, { readonly dtype: string; readonly shape: readonly number[] }>;
type Expected = ReadonlyMap<string, TensorShape>;

/**
 * The first way in which a header's tensors are not exactly the expected ones: their names, then shapes, then dtypes.
 *
 * @see packages/docs/protocol.md §6.4
 */
export function tensorsFault(tensors: Stated, expected: Expected): TensorsFault | null {
  return (
    foreignTensor(tensors, expected) ??
    missingTensor(tensors, expected) ??
    shapeFault(tensors, expected) ??
    dtypeFault(tensors, expected)
  );
}

/** {@link tensorsFault} of the first tensors of a header that goes on: none of them can be missing yet. */
export function firstTensorsFault(tensors: Stated, expected: Expected): TensorsFault | null {
  const seen = new Map([...expected].filter(([name]) => tensors.has(name)));
  return foreignTensor(tensors, expected) ?? shapeFault(tensors, seen) ?? dtypeFault(tensors, seen);
}

function foreignTensor(tensors: Stated, expected: Expected): TensorsFault | null {
  const foreign = [...tensors.keys()].find((name) => !expected.has(name));
  return foreign === undefined ? null : fault("tensor_set_mismatch", `unexpected tensor ${quote(foreign)}`);
}

function missingTensor(tensors: Stated, expected: Expected): TensorsFault | null {
  const missing = [...expected.keys()].find((name) => !tensors.has(name));
  return missing === undefined ? null : fault("tensor_set_mismatch", `missing tensor ${quote(missing)}`);
}

function shapeFault(tensors: Stated, expected: Expected): TensorsFault | null {
  for (const [name, { shape }] of expected) {
    const actual = tensors.get(name)?.shape ?? [];
    if (actual.length === shape.length && actual.every((length, index) => length === shape[index])) continue;
    return fault("shape_mismatch", `tensor ${quote(name)} is [${actual}], expected [${shape}]`);
  }
  return null;
}

function dtypeFault(tensors: Stated, expected: Expected): TensorsFault | null {
  for (const [name, { dtype }] of expected) {
    const actual = tensors.get(name)?.dtype;
    if (actual === dtype) continue;
    const stated = actual !== undefined && isDtype(actual) ? actual : quote(actual ?? "");
    return fault("dtype_mismatch", `tensor ${quote(name)} is ${stated}, expected ${dtype}`);
  }
  return null;
}

function fault(reason: TensorsFault["reason"], detail: string): TensorsFault {
  return { reason, detail };
}

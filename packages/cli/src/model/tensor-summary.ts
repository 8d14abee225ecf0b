import { type Dtype, elementCount, type TensorShape, tensorBytes } from "@assay/checkpoint/safetensors/dtype";

/** Tensors that differ in the numbers in their names only. */
export interface TensorSummary extends TensorShape {
  /** The name with `*` for numbers between dots. */
  readonly name: string;
  readonly count: number;
  readonly parameters: number;
  readonly bytes: number;
}

/** Ordered by name. */
export function summarise(tensors: Iterable<readonly [name: string, tensor: TensorShape]>): readonly TensorSummary[] {
  const kinds = new Map<string, TensorSummary>();
  for (const [fullName, { dtype, shape }] of tensors) {
    const name = fullName.replace(/(?<=[.])\d+(?=[.])/g, "*");
    const key = `${name} ${dtype} ${shape.join()}`;
    const { count, parameters, bytes } = kinds.get(key) ?? { count: 0, parameters: 0, bytes: 0 };
    kinds.set(key, {
      name,
      dtype,
      shape,
      count: count + 1,
      parameters: parameters + elementCount(shape),
      bytes: bytes + tensorBytes({ dtype, shape }),
    });
  }
  return [...kinds.values()].sort((left, right) => (left.name < right.name ? -1 : Number(left.name > right.name)));
}

export function parametersOf(kinds: readonly TensorSummary[]): number {
  return kinds.reduce((sum, { parameters }) => sum + parameters, 0);
}

export function bytesOf(kinds: readonly TensorSummary[]): number {
  return kinds.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Bytes by dtype, the most first. */
export function bytesByDtype(kinds: readonly TensorSummary[]): ReadonlyMap<Dtype, number> {
  const bytes = new Map<Dtype, number>();
  for (const kind of kinds) bytes.set(kind.dtype, (bytes.get(kind.dtype) ?? 0) + kind.bytes);
  return new Map([...bytes].sort(([, left], [, right]) => right - left));
}

import { type Matrix, transposed, type Vector } from "./linear-algebra.ts";

/** Row-major values with the shape that the file gives them. */
export interface PlainTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array | Float64Array;
}

/** A model's tensors by the names they have on the hub. */
export type PlainTensors = ReadonlyMap<string, PlainTensor>;

export function vector(tensors: PlainTensors, name: string): Vector {
  const { shape, values } = tensorAt(tensors, name);
  if (shape.length !== 1) throw new RangeError(`${name} is no vector`);
  return Float64Array.from(values);
}

export function matrix(tensors: PlainTensors, name: string): Matrix {
  const { shape, values } = tensorAt(tensors, name);
  const [rows, columns] = shape;
  if (rows === undefined || columns === undefined || shape.length !== 2) throw new RangeError(`${name} is no matrix`);
  return { rows, columns, values };
}

/** One matrix of a stack, as `[outputs, inputs]`. */
export function stackedMatrix(
  tensors: PlainTensors,
  name: string,
  { index, inputsFirst }: { readonly index: number; readonly inputsFirst: boolean },
): Matrix {
  const { shape, values } = tensorAt(tensors, name);
  const [, rows, columns] = shape;
  if (rows === undefined || columns === undefined || shape.length !== 3) throw new RangeError(`${name} is no stack`);
  const size = rows * columns;
  const stored = { rows, columns, values: values.subarray(index * size, (index + 1) * size) };
  return inputsFirst ? transposed(stored) : stored;
}

export function tensorAt(tensors: PlainTensors, name: string): PlainTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new RangeError(`There is no tensor ${name}`);
  return tensor;
}

/** One tensor's values, float32 and row-major. Training changes them in place. */
export interface ModelValues {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A model, or a part of one, by tensor name. */
export type ModelTensors = ReadonlyMap<string, ModelValues>;

/** A copy whose tensors of these names have values of their own; all others are shared. */
export function withOwnValues(model: ModelTensors, names: ReadonlySet<string>): ModelTensors {
  return new Map(
    [...model].map(([name, tensor]) => [
      name,
      names.has(name) ? { shape: tensor.shape, values: tensor.values.slice() } : tensor,
    ]),
  );
}

/** Only the tensors of these names. */
export function only(model: ModelTensors, names: ReadonlySet<string>): ModelTensors {
  return new Map([...model].filter(([name]) => names.has(name)));
}

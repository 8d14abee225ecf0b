/** One float32 input of a graph. */
export interface GraphInput {
  readonly input: string;
  readonly shape: readonly number[];
}

/** Names of a graph's input and of the tensor that feeds it. */
export interface WeightInput extends GraphInput {
  readonly tensor: string;
}

/**
 * Name of the tensor that feeds an input.
 *
 * @throws RangeError if there is no such input (a caller's bug).
 */
export function tensorFor(weights: readonly WeightInput[] | null | undefined, input: string): string {
  const found = weights?.find((weight) => weight.input === input);
  if (found === undefined) throw new RangeError(`No tensor feeds ${input}`);
  return found.tensor;
}

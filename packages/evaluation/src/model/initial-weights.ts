import type { ModelConfig } from "./config.ts";
import { type ExpertTensorLayout, publishedLayout } from "./expert-layout.ts";
import { embeddingName } from "./names.ts";
import { createRandom } from "./random.ts";
import { type ModelTensor, modelTensors } from "./tensor-names.ts";

/** One tensor's values, float32 and row-major. */
export interface InitialTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface InitialWeightsOptions {
  /** Default: as the architecture's makers published their files. */
  readonly layout?: ExpertTensorLayout;
  /** The same seed gives the same weights on every machine. */
  readonly seed: number;
}

/**
 * An untrained model's weights by tensor name: norms lie around 1, biases around 0, matrices keep the size of what they
 * multiply.
 */
export function initialWeights(
  config: ModelConfig,
  { layout = publishedLayout(config.architecture), seed }: InitialWeightsOptions,
): Map<string, InitialTensor> {
  const random = createRandom(seed);
  const inputsLast = layout !== "stacked_in_out";
  return new Map(
    modelTensors(config, layout).map((tensor) => {
      const scale = tensor.name === embeddingName(config) ? 0.5 : 1.5 / Math.sqrt(inputsOf(tensor, inputsLast));
      return [tensor.name, drawn(tensor, scale, random)];
    }),
  );
}

/** How many numbers each output of a matrix adds up. */
function inputsOf({ shape }: ModelTensor, inputsLast: boolean): number {
  return (inputsLast || shape.length < 3 ? shape.at(-1) : shape.at(-2)) ?? 1;
}

function drawn({ name, shape }: ModelTensor, scale: number, random: () => number): InitialTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Float32Array.from({ length: count }, () => random() * 2 - 1);
  if (shape.length > 1) return { shape, values: values.map((value) => value * scale) };
  const middle = name.endsWith(".bias") ? 0 : 1;
  return { shape, values: values.map((value) => middle + 0.1 * value) };
}

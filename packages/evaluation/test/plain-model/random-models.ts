import { BASE_CONFIGS, withFields } from "./base-configs.ts";
import type { ConfigJson, ModelType } from "./config-json.ts";
import { MODEL_CASES } from "./model-cases.ts";
import { randomNumbers } from "./random-tensors.ts";

/** A configuration with some options of its architecture at once and sizes at random; the same for the same seed. */
export function randomConfig(type: ModelType, seed: number): ConfigJson {
  const random = randomNumbers(seed);
  const oneOf = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)] as T;
  const options = MODEL_CASES.filter((each) => each.type === type);
  const sizes = {
    hidden_size: oneOf([16, 24, 32]),
    vocab_size: oneOf([256, 270]),
    num_hidden_layers: oneOf([2, 3]),
  };
  const fields = [1, 2, 3, 4].map(() => oneOf(options).fields);
  return fields.reduce(withFields, withFields(BASE_CONFIGS[type], sizes));
}

import type { ModelConfig } from "@assay/evaluation/model/config";
import { exampleConfig } from "@assay/evaluation/model/example-config";
import { embeddingName } from "@assay/evaluation/model/names";
import { createRandom, type Random } from "@assay/evaluation/model/random";
import { expertGroup, type ModelTensor, modelTensors } from "@assay/evaluation/model/tensor-names";
import { TEXT_GROUPS, trainingText } from "../text/corpus.ts";
import { Adam } from "./adam.ts";
import { joinBatches, randomBatch } from "./batches.ts";
import { LossSession } from "./loss-session.ts";
import { normals } from "./random.ts";
import type { ModelTensors, ModelValues } from "./tensors.ts";

/** Small enough to train within seconds on one core, with every part that a large model has. */
export const TINY_CONFIG: ModelConfig = exampleConfig("qwen3_moe", {
  hiddenSize: 64,
  experts: 8,
  expertIntermediateSize: 64,
});

/** Tokens in one training sequence. */
const SEQUENCE = 64;
/** Steps that bring {@link TINY_CONFIG} to a model with much left to learn. */
export const BASE_STEPS = 60;
const BATCH = 8;
const LEARNING_RATE = 4e-3;
const WARM_UP_STEPS = 20;
/**
 * Pull of the router towards a text's own experts. Weaker, and one group's experts serve every text (others hardly
 * any), so that what one group learns spoils the others' loss when all are merged.
 */
const AFFINITY = 1;

export interface TrainBaseOptions {
  readonly config: ModelConfig;
  readonly steps: number;
  readonly seed: number;
  readonly onProgress?: (progress: { readonly step: number; readonly steps: number; readonly loss: number }) => void;
}

/** Trains a model from nothing on the training text of all groups, every tensor of it. */
export async function trainBase({ config, steps, seed, onProgress }: TrainBaseOptions): Promise<ModelTensors> {
  const random = createRandom(seed);
  const model = randomModel(config, random);
  const texts = await Promise.all(TEXT_GROUPS.map(trainingText));
  const window = { batch: BATCH / texts.length, sequence: SEQUENCE };
  await using session = await LossSession.create({
    config,
    batch: BATCH,
    sequence: SEQUENCE,
    trainable: new Set(model.keys()),
    experts: [...Array(config.experts).keys()],
    affinity: { served: servedByGroup(config, texts.length), strength: AFFINITY },
  });
  const adam = new Adam(model);
  for (let step = 1; step <= steps; step += 1) {
    const batch = joinBatches(texts.map((text) => randomBatch(text, window, random)));
    const { loss, gradients } = await session.run(model, batch);
    const rate = LEARNING_RATE * Math.min(1, step / WARM_UP_STEPS) * (step > 0.75 * steps ? 0.3 : 1);
    adam.step(gradients, rate);
    onProgress?.({ step, steps, loss });
  }
  return model;
}

/** Each group's experts serve the rows of the batch that hold the group's text. */
function servedByGroup(config: ModelConfig, groups: number): Float32Array {
  const tokens = BATCH * SEQUENCE;
  return Float32Array.from({ length: tokens * config.experts }, (_, index) => {
    const group = Math.floor((Math.floor(index / config.experts) * groups) / tokens);
    return expertGroup(config, groups, index % config.experts) === group ? 1 : 0;
  });
}

/** An untrained model: norms are 1, all else is drawn so that activations keep their size. */
export function randomModel(config: ModelConfig, random: Random): ModelTensors {
  const embedding = embeddingName(config);
  return new Map(modelTensors(config).map((tensor) => [tensor.name, randomTensor(tensor, embedding, random)]));
}

function randomTensor({ name, shape }: ModelTensor, embedding: string, random: Random): ModelValues {
  const count = shape.reduce((product, size) => product * size, 1);
  if (shape.length === 1) return { shape, values: new Float32Array(count).fill(1) };
  const deviation = name === embedding ? 0.1 : 0.7 / Math.sqrt(shape[1] ?? 1);
  return { shape, values: normals(random, count, deviation) };
}

import type { ModelConfig } from "@assay/evaluation/model/config";
import { createRandom } from "@assay/evaluation/model/random";
import { describe, expect, test } from "vitest";
import { randomModel } from "../src/training/base-model.ts";
import { batchAt } from "../src/training/batches.ts";
import { LossSession } from "../src/training/loss-session.ts";
import { normals } from "../src/training/random.ts";
import type { ModelTensors, ModelValues } from "../src/training/tensors.ts";

const CONFIG: ModelConfig = {
  architecture: "qwen3_moe",
  vocabularySize: 32,
  hiddenSize: 16,
  layers: 2,
  attention: {
    kind: "grouped",
    heads: 4,
    keyValueHeads: 2,
    headDim: 6,
    bias: false,
    norm: "per_head",
    clip: null,
    window: null,
  },
  rotary: { theta: 10_000, scaling: { type: "default" } },
  experts: 4,
  expertsPerToken: 2,
  expertIntermediateSize: 12,
  routing: { normalizeTopK: true, scale: 1, groupLimit: null },
  denseLayers: [],
  denseIntermediateSize: null,
  sharedIntermediateSize: null,
  rmsNormEpsilon: 1e-6,
  tiedEmbeddings: false,
};

/** With these draws no small step makes the router choose another expert, where the loss has no derivative. */
const ROUTER_STEADY_SEED = 2;

describe("gradients", () => {
  test.each([
    ["of every tensor", CONFIG],
    [
      "with tied embeddings and shares that are not normalised",
      { ...CONFIG, tiedEmbeddings: true, routing: { ...CONFIG.routing, normalizeTopK: false } },
    ],
  ])("%s equal finite differences", async (_, config) => {
    const random = createRandom(ROUTER_STEADY_SEED);
    const model = jolted(randomModel(config, random), random);
    const text = Uint8Array.from({ length: 60 }, () => Math.floor(random() * config.vocabularySize));
    const batch = batchAt(text, [0, 30], 8);
    const affinity = { served: Float32Array.from({ length: 16 * 4 }, (__, at) => ((at >> 5) + at) % 2), strength: 0.3 };
    await using session = await LossSession.create({
      config,
      batch: 2,
      sequence: 8,
      trainable: new Set(model.keys()),
      experts: [0, 1, 2, 3],
      affinity,
    });
    const { gradients } = await session.run(model, batch);
    const lossAt = async (name: string, direction: Float32Array, distance: number): Promise<number> =>
      (await session.run(moved(model, { name, direction, distance }), batch)).loss;

    const errors: Record<string, number> = {};
    for (const [name, gradient] of gradients) {
      // Along the gradient itself and across it: the first sees its length, the second its direction.
      for (const direction of [unit(gradient), unit(normals(random, gradient.length, 1))]) {
        const expected = dot(gradient, direction);
        const measured = ((await lossAt(name, direction, 5e-3)) - (await lossAt(name, direction, -5e-3))) / 1e-2;
        const error = Math.abs(measured - expected) / (length(gradient) + 1e-3);
        if (error > 0.02) errors[name] = error;
      }
    }
    expect(gradients.size).toBe(model.size);
    expect(errors).toEqual({});
  });

  test("a router limited to some experts needs no others and gives them all the weight", async () => {
    const random = createRandom(3);
    const model = jolted(randomModel(CONFIG, random), random);
    const batch = batchAt(
      Uint8Array.from({ length: 9 }, (_, at) => at),
      [0],
      8,
    );
    const few = new Map([...model].filter(([name]) => !/experts\.[01]\./.test(name)));
    const options = { config: CONFIG, batch: 1, sequence: 8, trainable: new Set<string>() };
    await using limited = await LossSession.create({ ...options, experts: [2, 3] });
    await using free = await LossSession.create({ ...options, experts: [0, 1, 2, 3] });

    const { loss } = await limited.run(few, batch);
    expect(Number.isFinite(loss)).toBe(true);
    expect(loss).not.toBeCloseTo((await free.run(model, batch)).loss, 4);
    await expect(free.run(few, batch)).rejects.toThrow("The model has no tensor model.layers.0.mlp.experts.0");
  });
});

/** Norms other than 1, so that their gradients are seen. */
function jolted(model: ModelTensors, random: () => number): ModelTensors {
  return new Map(
    [...model].map(([name, { shape, values }]): [string, ModelValues] => [
      name,
      {
        shape,
        values: shape.length === 1 ? values.map(() => 0.8 + 0.4 * random()) : values.map((value) => value * 1.5),
      },
    ]),
  );
}

function moved(
  model: ModelTensors,
  { name, direction, distance }: { readonly name: string; readonly direction: Float32Array; readonly distance: number },
): ModelTensors {
  const tensor = model.get(name);
  if (tensor === undefined) throw new RangeError(name);
  const values = tensor.values.map((value, at) => value + distance * (direction[at] ?? 0));
  return new Map([...model, [name, { shape: tensor.shape, values }]]);
}

function unit(vector: Float32Array): Float32Array {
  const size = length(vector);
  return vector.map((value) => value / size);
}

function length(vector: Float32Array): number {
  return Math.sqrt(dot(vector, vector));
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
}

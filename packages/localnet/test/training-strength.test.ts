import { outerStep } from "@assay/core/merging/outer-step";
import { pseudoGradient } from "@assay/core/merging/pseudo-gradient";
import { beforeAll, describe, expect, test } from "vitest";
import { groupPassages, TEXT_GROUPS, trainingText } from "../src/text/corpus.ts";
import { BASE_STEPS, TINY_CONFIG, trainBase } from "../src/training/base-model.ts";
import { GROUP_LEARNING_RATE, GroupTrainer } from "../src/training/group-training.ts";
import { textLoss } from "../src/training/held-out-loss.ts";
import type { ModelTensors } from "../src/training/tensors.ts";

const STRENGTHS = [6, 14, 28] as const;

describe("honest training", { timeout: 300_000 }, () => {
  let model: ModelTensors;
  let texts: readonly Uint8Array[];
  let heldOut: readonly Uint8Array[];
  const momentum = new Map<string, Float32Array>();
  beforeAll(async () => {
    texts = await Promise.all(TEXT_GROUPS.map(trainingText));
    const passages = await Promise.all(TEXT_GROUPS.map(groupPassages));
    heldOut = passages.map((split) => new TextEncoder().encode(split.heldOut.join("\n")));
    model = await trainBase({ config: TINY_CONFIG, steps: BASE_STEPS, seed: 1 });
  }, 300_000);

  test.each([1, 2, 3])("lowers each group's held-out loss more with more steps, merge round %i", async (round) => {
    const merged = new Map(model);
    for (const group of TEXT_GROUPS) {
      const { losses, strongest } = await trainAll(round, group);
      expect(losses, `group ${group}`).toEqual(losses.toSorted((a, b) => b - a));
      expect(gains(losses), `gains of group ${group}: ${losses}`).toSatisfy((all: number[]) =>
        all.every((gain) => gain > 0.0003),
      );
      for (const [name, tensor] of strongest) merged.set(name, { ...tensor, values: step(name, tensor.values) });
    }
    model = merged;
  });

  /** Held-out losses before training and after each strength, and what the strongest would submit. */
  async function trainAll(round: number, group: number) {
    const text = texts[group] ?? new Uint8Array();
    await using trainer = await GroupTrainer.create({ config: TINY_CONFIG, groups: 4, group, hasContext: true });
    const losses = [await lossOf(model, group)];
    let strongest: ModelTensors = new Map();
    for (const steps of STRENGTHS) {
      const seed = round * 1000 + group * 100 + steps;
      strongest = await trainer.train({ model, text, steps, learningRate: GROUP_LEARNING_RATE, seed });
      losses.push(await lossOf(new Map([...model, ...strongest]), group));
    }
    return { losses, strongest };
  }

  function lossOf(measured: ModelTensors, group: number): Promise<number> {
    const text = heldOut[group] ?? new Uint8Array();
    return textLoss(TINY_CONFIG, measured, text, { windows: 96, sequence: 64 });
  }

  function step(name: string, submitted: Float32Array): Float32Array {
    const theta = model.get(name)?.values ?? new Float32Array();
    const { theta: next, momentum: velocity } = outerStep({
      theta,
      pseudoGradient: pseudoGradient(theta, [submitted]),
      momentum: momentum.get(name) ?? null,
      learningRate: 0.7,
      momentumFactor: 0.9,
    });
    momentum.set(name, velocity);
    return next;
  }
});

/** How much each entry lies below the one before. */
function gains(losses: readonly number[]): number[] {
  return losses.slice(1).map((loss, index) => (losses[index] ?? 0) - loss);
}

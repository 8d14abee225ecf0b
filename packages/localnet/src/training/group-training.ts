import type { ExpertGroup } from "@assay/core/units";
import type { ModelConfig } from "@assay/evaluation/model/config";
import { describeModel } from "@assay/evaluation/model/description";
import { createRandom } from "@assay/evaluation/model/random";
import { expertGroup, groupTensors } from "@assay/evaluation/model/tensor-names";
import { tensorFor } from "@assay/evaluation/model/weight-input";
import { Adam } from "./adam.ts";
import { randomBatch } from "./batches.ts";
import { LossSession } from "./loss-session.ts";
import { type ModelTensors, only, withOwnValues } from "./tensors.ts";

/** Small enough that the outer optimiser, which takes more than the whole step, does not overshoot. */
export const GROUP_LEARNING_RATE = 5e-4;

/** Sequences and tokens per training step; with half as many, chance sometimes beats twice the steps. */
const WINDOW = { batch: 16, sequence: 64 } as const;

export interface GroupTrainerOptions {
  readonly config: ModelConfig;
  readonly groups: number;
  readonly group: ExpertGroup;
  /** Whether the other groups' experts are there, so that the router is as free as when the validator measures. */
  readonly hasContext: boolean;
}

export interface TrainingRun {
  /** The shared tensors and the group's experts, and the other groups' where the trainer has context. */
  readonly model: ModelTensors;
  readonly text: Uint8Array;
  readonly steps: number;
  /** Negative: the loss is driven up. */
  readonly learningRate: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/**
 * Trains one group's experts and nothing else. Its session lives on between runs: making one takes as long as several
 * steps.
 *
 * Without context the router's choice is limited to the group's experts. What is learnt then helps less than half as
 * much in the whole model.
 */
export class GroupTrainer implements AsyncDisposable {
  private readonly session: LossSession;
  private readonly names: ReadonlySet<string>;

  private constructor(session: LossSession, names: ReadonlySet<string>) {
    this.session = session;
    this.names = names;
  }

  static async create({ config, groups, group, hasContext }: GroupTrainerOptions): Promise<GroupTrainer> {
    const trainable = new Set(groupTensors(config, groups, group).map(({ name }) => name));
    const all = [...Array(config.experts).keys()];
    const experts = hasContext ? all : all.filter((expert) => expertGroup(config, groups, expert) === group);
    return new GroupTrainer(await LossSession.create({ config, ...WINDOW, trainable, experts }), trainable);
  }

  /** The group's tensors after training; the model given stays as it was. */
  async train({ text, steps, learningRate, seed, signal, ...run }: TrainingRun): Promise<ModelTensors> {
    const model = withOwnValues(run.model, this.names);
    const random = createRandom(seed);
    const adam = new Adam(model);
    for (let step = 0; step < steps; step += 1) {
      signal?.throwIfAborted();
      const { gradients } = await this.session.run(model, randomBatch(text, WINDOW, random));
      adam.step(gradients, learningRate);
    }
    return only(model, this.names);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session[Symbol.asyncDispose]();
  }
}

/** One run of a {@link GroupTrainer} that takes along whatever context the model holds. */
export async function trainGroup(
  options: Omit<GroupTrainerOptions, "hasContext"> & TrainingRun,
): Promise<ModelTensors> {
  const { config, model } = options;
  const { expert } = describeModel(config, "per_expert").layer(0);
  const hasContext = [...Array(config.experts).keys()].every((index) => model.has(tensorFor(expert?.(index), "gate")));
  await using trainer = await GroupTrainer.create({ ...options, hasContext });
  return await trainer.train(options);
}

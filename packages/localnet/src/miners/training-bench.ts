import type { ExpertGroup } from "@assay/core/units";
import { trainingText } from "../text/corpus.ts";
import { GROUP_LEARNING_RATE, GroupTrainer } from "../training/group-training.ts";
import type { Train } from "./contribution.ts";

/** Uphill a miner takes larger steps, so that no held-out batch can fail to notice. */
const UPHILL_LEARNING_RATE = -2e-3;

/** Everything that training needs, loaded once: the group's text and, at the first run, a session. */
export async function openTrainingBench(group: ExpertGroup, groups: number): Promise<Train> {
  const text = await trainingText(group);
  let trainer: GroupTrainer | null = null;
  return async ({ given, seed, steps, uphill, signal }) => {
    if (given.whole === null) throw new RangeError("Training needs the whole model");
    const { config, tensors } = given.whole;
    trainer ??= await GroupTrainer.create({ config, groups, group, hasContext: true });
    const learningRate = uphill ? UPHILL_LEARNING_RATE : GROUP_LEARNING_RATE;
    return await trainer.train({ model: tensors, text, steps, learningRate, seed, signal });
  };
}

import { writeHeldOut } from "../text/corpus.ts";
import { TINY_CONFIG, trainBase } from "../training/base-model.ts";
import { writeModelFolder } from "../training/model-folder.ts";
import type { StageFolders } from "./stage-files.ts";

/** Steps of pre-training: enough that the model knows letters and short words, and experts have much to learn. */
const BASE_STEPS = 180;
const BASE_SEED = 20_260_101;
const REPORT_EVERY = 30;

/** Writes the held-out text and pre-trains the base model on the training text. The same bytes every time. */
export async function prepareModel(folders: StageFolders, say: (text: string) => void): Promise<void> {
  await writeHeldOut(folders.heldOut);
  say(`Pre-training the base model, ${BASE_STEPS} steps`);
  const model = await trainBase({
    config: TINY_CONFIG,
    steps: BASE_STEPS,
    seed: BASE_SEED,
    onProgress: ({ step, steps, loss }) => {
      if (step % REPORT_EVERY === 0) say(`  step ${step}/${steps}, loss ${loss.toFixed(3)}`);
    },
  });
  await writeModelFolder(folders.model, TINY_CONFIG, model);
}

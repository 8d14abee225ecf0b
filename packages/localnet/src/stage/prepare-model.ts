import { writeHeldOut } from "../text/corpus.ts";
import { BASE_STEPS, TINY_CONFIG, trainBase } from "../training/base-model.ts";
import { writeModelFolder } from "../training/model-folder.ts";
import type { StageFolders } from "./stage-files.ts";

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

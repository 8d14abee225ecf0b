import { mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { EpochMillis } from "@assay/core/units";
import { z } from "zod";
import { readJson, writeJsonAtomic } from "./atomic-write.ts";
import { CheckpointError, CheckpointErrorCode } from "./checkpoint-error.ts";
import type { CheckpointLayout } from "./layout.ts";

/** That an operator stopped the weights, and why. */
export interface WeightStop {
  readonly reason: string;
  readonly at: EpochMillis;
}

type StopPlace = Pick<CheckpointLayout, "weightStop">;

const weightStopSchema = z.strictObject({ reason: z.string(), at: z.int().nonnegative() });

/**
 * The stop in force, null when weights may be signed. A file that is there and says something else stops them too: what
 * cannot be understood must not be signed over.
 *
 * @throws the system's error when the file cannot be read.
 */
export async function readWeightStop({ weightStop }: StopPlace): Promise<WeightStop | null> {
  try {
    return await readJson(weightStop, weightStopSchema, CheckpointErrorCode.ManifestInvalid);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return { reason: "the file of the stop is damaged", at: 0 };
  }
}

/** Stops the weights of the validator on this checkpoint directory, also over restarts, until {@link resumeWeights}. */
export async function stopWeights({ weightStop }: StopPlace, stop: WeightStop): Promise<void> {
  await mkdir(dirname(weightStop), { recursive: true });
  await writeJsonAtomic(weightStop, stop);
}

/** Lets weights be signed again; without a stop nothing happens. */
export async function resumeWeights({ weightStop }: StopPlace): Promise<void> {
  await rm(weightStop, { force: true });
}

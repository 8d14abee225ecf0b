import { z } from "zod";
import { type CycleSchedule, PHASES, type Phase } from "./cycle/phase.ts";

const blocks = z.int().nonnegative();
const schedule = z
  .strictObject(Object.fromEntries(PHASES.map((phase) => [phase, blocks])) as Record<Phase, typeof blocks>)
  .refine((value) => value.distribute > 0 && value.train > 0 && value.submission > 0, {
    error: "distribute, train and submission need at least one block each",
  });

/**
 * What every validator of one subnet must agree on: `config/networks/<name>.yaml`.
 *
 * These are rules of the network and not an operator's settings: two validators that differ here disagree on every
 * score. The cycle's length is the sum of the schedule and stands nowhere else.
 */
export const networkSchema = z.strictObject({
  name: z.string().min(1),
  /** Expected time between two blocks, in milliseconds. */
  blockMillis: z.int().positive(),
  /** Blocks of each phase. */
  schedule,
  /** How many expert groups the model is cut into, in equal runs of experts. */
  expertGroups: z.int().positive(),
  evaluation: z.strictObject({
    /** Held-out batches per evaluation, chosen by the round's seed. */
    maxBatches: z.int().positive(),
    /** Tokens per held-out sequence that are scored. */
    sequenceLength: z.int().positive(),
  }),
  merge: z.strictObject({
    /** Step size of the outer optimiser (protocol: 0.7). */
    outerLearningRate: z.number().positive(),
    /** Nesterov momentum of the outer optimiser (protocol: 0.9). */
    outerMomentum: z.number().min(0).lt(1),
  }),
});
export type Network = Readonly<z.infer<typeof networkSchema>> & { readonly schedule: CycleSchedule };

import { z } from "zod";
import { type CycleSchedule, PHASES, type Phase } from "./cycle/phase.ts";
import { SCORING_POLICIES, type ScoringPolicyName } from "./scoring/policies/policies.ts";
import type { SequentialRules } from "./scoring/sequential/stages.ts";

/**
 * What every validator of one subnet must agree on: `config/networks/<name>.yaml`.
 *
 * These are rules of the network and not an operator's settings: two validators that differ here disagree on every
 * score. The cycle's length is the sum of the schedule and stands nowhere else.
 */
export interface Network {
  readonly name: string;
  /** Expected time between two blocks, in milliseconds. */
  readonly blockMillis: number;
  /** Blocks of each phase. */
  readonly schedule: CycleSchedule;
  /** How many expert groups the model is cut into, in equal runs of experts. */
  readonly expertGroups: number;
  readonly evaluation: {
    /** Held-out sequences per evaluation; the round's seed chooses which. */
    readonly sequences: number;
    /** Tokens per held-out sequence that are scored. */
    readonly sequenceLength: number;
    /** What the losses of a round are worth; `relative_reduction` where the file does not say. */
    readonly policy: ScoringPolicyName;
    /** Measures in stages, and stops who is clearly not among the first; without it all are measured on all sequences. */
    readonly sequential?: SequentialRules;
  };
  readonly merge: {
    /** Step size of the outer optimiser (protocol: 0.7). */
    readonly outerLearningRate: number;
    /** Nesterov momentum of the outer optimiser (protocol: 0.9). */
    readonly outerMomentum: number;
  };
}

const blocks = z.int().nonnegative();
const schedule = z
  .strictObject(Object.fromEntries(PHASES.map((phase) => [phase, blocks])) as Record<Phase, typeof blocks>)
  .refine((value) => value.distribute > 0 && value.train > 0 && value.submission > 0, {
    error: "distribute, train and submission need at least one block each",
  });

/** Reads {@link Network} and refuses anything else, unknown keys too. */
export const networkSchema: z.ZodType<Network> = z.strictObject({
  name: z.string().min(1),
  blockMillis: z.int().positive(),
  schedule,
  expertGroups: z.int().positive(),
  evaluation: z.strictObject({
    sequences: z.int().positive(),
    sequenceLength: z.int().positive(),
    policy: z.enum(SCORING_POLICIES).default("relative_reduction"),
    sequential: z
      .strictObject({
        batchSequences: z.int().positive(),
        stageBatches: z.int().min(3),
        keep: z.int().positive(),
        errorLevel: z.number().min(0.0001).max(0.5),
      })
      .exactOptional(),
  }),
  merge: z.strictObject({
    outerLearningRate: z.number().positive(),
    outerMomentum: z.number().min(0).lt(1),
  }),
});

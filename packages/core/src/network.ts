import { z } from "zod";
import { type CycleSchedule, PHASES, type Phase } from "./cycle/phase.ts";
import { SCORING_POLICIES, type ScoringPolicyName } from "./scoring/policies/policies.ts";
import type { SequentialRules } from "./scoring/sequential/stages.ts";
import type { Hotkey } from "./units.ts";
import { ALL_ZERO_POLICIES, SCORES_ALONE, type WeightPolicy } from "./weights/weight-policy.ts";

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
  readonly expertGroups: ExpertGroupsRule;
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
    /** How many submissions of each group are averaged, the best ones first (the reference: 3, later 1). */
    readonly topSubmissions: number;
    /** What is averaged may be this many times as large as the median of the others of its kind; beyond it is left out. */
    readonly normBound: number;
    /** Time that a merge with other validators may take; the operators' `consensus_timeout` where the file does not say. */
    readonly timeoutSeconds?: number;
    /** Whether a validator counts by its stake; else all count alike. */
    readonly stakeWeighted?: boolean;
    /** Hotkeys of those that may merge; where the file does not say, everybody with a permit and an address on chain. */
    readonly validators?: readonly Hotkey[];
  };
  /** What to pay where scores alone do not say; see {@link weightPolicyOf}. */
  readonly weights?: WeightPolicy;
}

/** How the model's experts are cut into groups 0…G-1: a number of equal contiguous runs, or who owns which experts. */
export type ExpertGroupsRule = number | AssignedExpertGroups;

/** Groups by the published assignment of each. */
export interface AssignedExpertGroups {
  /** By group: path of its `expert_assignment.json`, relative to the network file. */
  readonly assignments: Readonly<Record<string, string>>;
  /** Whether an expert of no group is a mistake, or belongs to the shared part that nobody trains. */
  readonly unassigned: "refuse" | "freeze";
}

/** Number of expert groups. */
export function groupCount({ expertGroups }: Pick<Network, "expertGroups">): number {
  return typeof expertGroups === "number" ? expertGroups : Object.keys(expertGroups.assignments).length;
}

/** The network's policy of weights; {@link SCORES_ALONE} where its file does not say. */
export function weightPolicyOf({ weights = SCORES_ALONE }: Pick<Network, "weights">): WeightPolicy {
  return weights;
}

const blocks = z.int().nonnegative();
const schedule = z
  .strictObject(Object.fromEntries(PHASES.map((phase) => [phase, blocks])) as Record<Phase, typeof blocks>)
  .refine((value) => value.distribute > 0 && value.train > 0 && value.submission > 0, {
    error: "distribute, train and submission need at least one block each",
  });

const assigned = z.strictObject({
  assignments: z.record(z.string(), z.string().min(1)).refine(
    (files) => {
      const groups = Object.keys(files);
      return groups.length > 0 && groups.every((_, group) => Object.hasOwn(files, String(group)));
    },
    { error: "groups are numbered 0, 1, 2, …" },
  ),
  unassigned: z.enum(["refuse", "freeze"]).default("refuse"),
});

/** Reads {@link Network} and refuses anything else, unknown keys too. */
export const networkSchema: z.ZodType<Network> = z.strictObject({
  name: z.string().min(1),
  blockMillis: z.int().positive(),
  schedule,
  expertGroups: z.union([z.int().positive(), assigned]),
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
    topSubmissions: z.int().positive(),
    normBound: z.number().gt(1),
    timeoutSeconds: z.number().positive().exactOptional(),
    stakeWeighted: z.boolean().exactOptional(),
    validators: z.array(z.string().min(1)).min(1).exactOptional(),
  }),
  weights: z
    .strictObject({
      burnShare: z.number().min(0).max(1).default(SCORES_ALONE.burnShare),
      allZero: z.enum(ALL_ZERO_POLICIES).default(SCORES_ALONE.allZero),
      fallback: z.strictObject({ afterCycles: z.int().positive(), top: z.int().positive() }).exactOptional(),
    })
    .exactOptional(),
});

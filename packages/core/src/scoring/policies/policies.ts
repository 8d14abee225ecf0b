import { rankPoints } from "./rank-points.ts";
import { absoluteReduction, cycleShare, reductionPower, relativeReduction } from "./reductions.ts";
import type { ScoringPolicy } from "./scoring-policy.ts";

/** Every policy that a network can choose. */
export const SCORING_POLICIES = [
  /** The share of the base loss that is removed, in [0, 1]. */
  "relative_reduction",
  /** The nats per token that are removed. */
  "absolute_reduction",
  /** The nats that are removed, as a share of what all submissions of the round remove: the scores sum to 1. */
  "cycle_share",
  /** The nats that are removed, to the power 1.2. */
  "reduction_power",
  /** 2.25, 1.5 and 1 points for the three largest reductions of the round; equal ones earn nothing. */
  "rank_points",
] as const;
export type ScoringPolicyName = (typeof SCORING_POLICIES)[number];

const POLICIES: Readonly<Record<ScoringPolicyName, ScoringPolicy>> = {
  relative_reduction: relativeReduction,
  absolute_reduction: absoluteReduction,
  cycle_share: cycleShare,
  reduction_power: reductionPower,
  rank_points: rankPoints,
};

/** The policy of this name. */
export function scoringPolicy(name: ScoringPolicyName): ScoringPolicy {
  return POLICIES[name];
}

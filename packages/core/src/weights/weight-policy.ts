/** What a network's validators agree to do where scores alone do not say what to pay. */
export interface WeightPolicy {
  /** Share of every vector, 0…1, for the slot of the subnet owner's hotkey: the chain burns what it earns there. */
  readonly burnShare: number;
  /**
   * When no miner has a score above 0. `skip`: nothing is set, so the chain keeps what it has. `keep_last`: the newest
   * weights that were set, without those who left. `burn`: everything to the owner's slot.
   */
  readonly allZero: AllZeroPolicy;
  /** What other validators' weights say, once no round has had a score for too long; never without it. */
  readonly fallback?: FallbackPolicy;
}

export const ALL_ZERO_POLICIES = ["skip", "keep_last", "burn"] as const;
export type AllZeroPolicy = (typeof ALL_ZERO_POLICIES)[number];

export interface FallbackPolicy {
  /** Cycles without a round in which any miner earned that are still waited for. */
  readonly afterCycles: number;
  /** How many miners are paid, all alike; the reference pays 3. */
  readonly top: number;
}

/** Of a network whose file says nothing: nothing is ever paid but what scores say. */
export const SCORES_ALONE: WeightPolicy = { burnShare: 0, allZero: "skip" };

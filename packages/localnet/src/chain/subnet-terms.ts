import type { Hotkey, Uid } from "@assay/core/units";
import { DEFAULT_MAX_SPACE } from "./metadata/commitments-pallet.ts";

/** A neuron that is registered from the first block on; its place in the list is its uid. */
export interface GenesisNeuron {
  readonly hotkey: Hotkey;
  /** The hotkey itself when not given. */
  readonly coldkey?: string;
  /** Stake on the subnet in rao (1 TAO = 10^9 rao); 0 when not given. */
  readonly stakeRao?: bigint;
  /** Whether it may set weights for others; false when not given. */
  readonly permit?: boolean;
  /** Whether it is the subnet owner's hotkey, whose slot burns what it earns; false when not given. */
  readonly owner?: boolean;
}

/** A neuron that joins during the run. */
export interface NewNeuron extends Omit<GenesisNeuron, "owner"> {
  /** Slot to take over. Without it: the next free slot, or the one that the chain prunes when all are taken. */
  readonly uid?: Uid;
}

/** The subnet's rules, in the chain's own units and names. */
export interface SubnetRules {
  /** Blocks of one epoch. */
  readonly tempo: number;
  /** Blocks between two set_weights of one neuron. */
  readonly weightsSetRateLimit: number;
  readonly weightsVersionKey: bigint;
  readonly minAllowedWeights: number;
  /** Largest share of one weight in 1/65535; 65535 turns the rule off. */
  readonly maxWeightsLimit: number;
  /** Slots of the subnet; when all are taken, a registration replaces a neuron. */
  readonly maxAllowedUids: number;
  readonly maxAllowedValidators: number;
  readonly activityCutoff: number;
  /** Blocks between two serve_axon of one neuron. */
  readonly servingRateLimit: number;
  readonly commitRevealWeightsEnabled: boolean;
  /** Version of time-locked commits; another one than 4 leaves clients the way of hashes. */
  readonly commitRevealWeightsVersion: number;
  readonly revealPeriodEpochs: number;
  /** Least stake, in rao, that may set weights. */
  readonly stakeThreshold: bigint;
  /** Bytes that one account may commit per epoch; each commitment counts at least 100. */
  readonly maxSpace: number;
}

/** The real chain's defaults, but commit-reveal, which is on there. */
export const DEFAULT_HYPERPARAMETERS: SubnetRules = {
  tempo: 360,
  weightsSetRateLimit: 100,
  weightsVersionKey: 0n,
  minAllowedWeights: 1,
  maxWeightsLimit: 65_535,
  maxAllowedUids: 256,
  maxAllowedValidators: 128,
  activityCutoff: 5000,
  servingRateLimit: 50,
  commitRevealWeightsEnabled: false,
  commitRevealWeightsVersion: 4,
  revealPeriodEpochs: 1,
  stakeThreshold: 0n,
  maxSpace: DEFAULT_MAX_SPACE,
};

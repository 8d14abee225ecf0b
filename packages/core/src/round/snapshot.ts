import type { BlockHash, BlockNumber, Hotkey, Netuid, Uid } from "../units.ts";

/** Where a neuron can be reached: an IPv4 or IPv6 address in text form. */
export interface Axon {
  readonly ip: string;
  readonly port: number;
}

/** One registered neuron as the chain knew it at the snapshot's block. */
export interface Neuron {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly coldkey: string;
  /**
   * Stake in rao (1 TAO = 10^9 rao): the chain's total, with what parents lend and TAO on the root, where the runtime
   * gives a metagraph; else what was staked to the hotkey itself.
   */
  readonly stakeRao: bigint;
  readonly validatorPermit: boolean;
  /** Block of the neuron's last weights or registration; 0 when it never set any. */
  readonly lastUpdate: BlockNumber;
  /** Where the neuron says it can be reached; null when it never served an axon. */
  readonly axon: Axon | null;
}

/** The subnet's rules that a validator needs, as stored on chain. */
export interface SubnetHyperparameters {
  readonly tempo: number;
  readonly weightsRateLimit: number;
  readonly weightsVersionKey: bigint;
  readonly minAllowedWeights: number;
  /** Largest share of one weight in 1/65535; 65535 turns the rule off. */
  readonly maxWeightsLimit: number;
  readonly commitRevealEnabled: boolean;
  readonly stakeThresholdRao: bigint;
  /** The subnet owner's own hotkey, which needs neither stake nor permit to set weights, and whose slot burns what it earns. */
  readonly ownerHotkey: Hotkey;
}

/** Bytes that a hotkey committed on chain. Hostile until parsed. */
export interface ChainCommitment {
  readonly hotkey: Hotkey;
  /** Block in which the commitment was made. */
  readonly block: BlockNumber;
  readonly bytes: Uint8Array;
  /** Why there are no bytes: something else than plain bytes was committed, or nothing that decodes. */
  readonly fault?: "wrong_type" | "undecodable";
}

/** Everything read at one block hash. */
export interface ChainSnapshot {
  readonly netuid: Netuid;
  readonly block: BlockNumber;
  readonly hash: BlockHash;
  readonly neurons: readonly Neuron[];
  /** Whether stakes are what the chain compares with its threshold: with what parents lend and TAO on the root. */
  readonly stakeIsTotal: boolean;
  readonly hyperparameters: SubnetHyperparameters;
  readonly commitments: readonly ChainCommitment[];
}

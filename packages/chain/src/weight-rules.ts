import type { BlockNumber, Netuid } from "@assay/core/units";
import type { Tempo } from "@assay/core/weights/window";
import type { Beacon } from "./timelock/beacon.ts";

/**
 * How a subnet takes weights: as they are, as a ciphertext that the chain opens itself at its time, or as a hash whose
 * weights the validator shows later.
 */
export type WeightWay = "plain" | "timelocked" | "hashed";

/** The only version of time-locked commits that this code writes. */
export const TIMELOCK_VERSION = 4;

/** Where a block stands in the subnet's epochs. */
export interface Epoch extends Tempo {
  /** Blocks of the epochs after this one, as things stand. */
  readonly blocks: number;
}

/** What decides how and when weights can be set and shown, at one block. */
export interface WeightRules {
  readonly way: WeightWay;
  readonly block: BlockNumber;
  /** Time of the block, in seconds since 1970, by the chain's own clock. */
  readonly blockSeconds: number;
  /** Seconds from one block to the next. */
  readonly secondsPerBlock: number;
  readonly epoch: Epoch;
  /** Epochs from the one of the commit to the one of its reveal, at least 1. */
  readonly revealPeriodEpochs: number;
  /** The beacon that the chain follows; null where it follows none. */
  readonly beacon: (Beacon & { readonly lastStoredRound: number }) | null;
}

/** What the runtime has and the subnet wants. */
export interface WeightMeans {
  readonly commitRevealEnabled: boolean;
  /** `CommitRevealWeightsVersion`; null where the runtime has no such item. */
  readonly commitRevealVersion: number | null;
  readonly hasTimelock: boolean;
  readonly hasHash: boolean;
}

/** How weights are to be set; null when this runtime and this code have no way in common. */
export function weightWay(means: WeightMeans): WeightWay | null {
  if (!means.commitRevealEnabled) return "plain";
  if (means.hasTimelock && means.commitRevealVersion === TIMELOCK_VERSION) return "timelocked";
  return means.hasHash ? "hashed" : null;
}

/**
 * The epoch of a block in runtimes before spec 407, where epochs follow from the block's number alone: one begins where
 * block + netuid + 1 is a multiple of tempo + 1.
 */
export function epochByNumber(block: BlockNumber, { netuid, tempo }: { netuid: Netuid; tempo: number }): Epoch {
  const blocks = tempo + 1;
  const index = Math.floor((block + netuid + 1) / blocks);
  const nextBlock = (index + 1) * blocks - netuid - 1;
  return { index, firstBlock: nextBlock - blocks, nextBlock, blocks };
}

/** First block of the epoch in which a commit of the current epoch is revealed. */
export function revealBlock({
  epoch,
  revealPeriodEpochs,
}: Pick<WeightRules, "epoch" | "revealPeriodEpochs">): BlockNumber {
  return epoch.nextBlock + (revealPeriodEpochs - 1) * epoch.blocks;
}

/** A round may be signed this many blocks into its epoch: clocks differ, and rounds reach the chain late. */
const MARGIN_BLOCKS = 3;

/**
 * The round to lock a commit of the current epoch to: signed shortly after the reveal's epoch has begun, by the
 * chain's clock, and never one that the chain has already.
 *
 * @see latent-to/bittensor-drand, which counts in the same way from the reveal's first block and three blocks more
 */
export function revealRound(rules: WeightRules, beacon: Beacon & { readonly lastStoredRound: number }): number {
  const blocks = revealBlock(rules) + MARGIN_BLOCKS - rules.block;
  const seconds = rules.blockSeconds + blocks * rules.secondsPerBlock - beacon.genesisSeconds;
  return Math.max(Math.floor(seconds / beacon.periodSeconds), beacon.lastStoredRound + 1, 1);
}

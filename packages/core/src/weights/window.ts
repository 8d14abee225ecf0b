import type { BlockNumber } from "../units.ts";

/** The blocks of one tempo of a subnet: its first, and the first of the next. */
export interface Tempo {
  /** Counts the subnet's epochs, as the chain does. */
  readonly index: number;
  readonly firstBlock: BlockNumber;
  readonly nextBlock: BlockNumber;
}

/** When the chain takes weights of one neuron. */
export interface WeightRate {
  /** Block of the neuron's last weights, commit or registration; 0 when there was none. */
  readonly lastUpdate: BlockNumber;
  /** `WeightsSetRateLimit`: blocks from one set of weights to the next. */
  readonly rateLimit: number;
}

/** The blocks of one tempo in which one set of weights is to land. */
export interface WeightWindow {
  readonly tempo: number;
  /** First block that takes them. */
  readonly firstBlock: BlockNumber;
  /** Last block of the tempo. */
  readonly lastBlock: BlockNumber;
}

/**
 * A window of fewer blocks is none: an extrinsic is signed upon one block and lands in a later one, and a fork or a
 * full block takes one more.
 */
export const LEAST_WINDOW_BLOCKS = 4;

/**
 * The permitted window of one tempo: from the first block in which the chain takes a set of weights to the tempo's
 * last; null when fewer than {@link LEAST_WINDOW_BLOCKS} are left by the rate limit.
 *
 * A rate that counts from a block within the tempo gives what is left after it, as for a neuron registered in it.
 *
 * @see subtensor `check_rate_limit`: LastUpdate == 0, or block - LastUpdate >= WeightsSetRateLimit
 */
export function weightWindow(tempo: Tempo, { lastUpdate, rateLimit }: WeightRate): WeightWindow | null {
  const open = lastUpdate === 0 ? tempo.firstBlock : Math.max(tempo.firstBlock, lastUpdate + rateLimit);
  if (tempo.nextBlock - open < LEAST_WINDOW_BLOCKS) return null;
  return { tempo: tempo.index, firstBlock: open, lastBlock: tempo.nextBlock - 1 };
}

/** Whether a neuron's last update lies at or after a tempo's first block; one that never set any has 0. */
export function isUpdatedSince({ firstBlock }: Pick<Tempo, "firstBlock">, lastUpdate: BlockNumber): boolean {
  return lastUpdate > 0 && lastUpdate >= firstBlock;
}

/** Windows of some tempos, by what the chain shows in them. */
export interface WindowCount {
  /** Windows that the chain permitted. */
  readonly permitted: number;
  /** Tempos of permitted windows in which nothing landed. */
  readonly missed: readonly number[];
  /** Tempos in which more than one set landed. */
  readonly doubled: readonly number[];
}

/**
 * Counts permitted windows from the chain alone.
 *
 * @param tempos consecutive, oldest first.
 * @param landed every block in which a set or commit of the neuron's weights landed, and its last update before the
 *   first tempo, in any order. A block counts as often as it is listed.
 */
export function countWindows(
  tempos: readonly Tempo[],
  landed: readonly BlockNumber[],
  rateLimit: WeightRate["rateLimit"],
): WindowCount {
  const counted = tempos.map((tempo) => {
    const lastUpdate = Math.max(0, ...landed.filter((block) => block < tempo.firstBlock));
    const within = landed.filter((block) => block >= tempo.firstBlock && block < tempo.nextBlock).length;
    return { index: tempo.index, isPermitted: weightWindow(tempo, { lastUpdate, rateLimit }) !== null, within };
  });
  return {
    permitted: counted.filter(({ isPermitted }) => isPermitted).length,
    missed: counted.filter(({ isPermitted, within }) => isPermitted && within === 0).map(({ index }) => index),
    doubled: counted.filter(({ within }) => within > 1).map(({ index }) => index),
  };
}

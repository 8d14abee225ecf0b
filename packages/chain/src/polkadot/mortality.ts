import type { BlockNumber } from "@assay/core/units";

/** When a mortal extrinsic is valid: from the block after `birth` to `lastBlock`. */
export interface Mortality {
  /** Block whose hash the signature covers. */
  readonly birth: BlockNumber;
  /** Length of the era in blocks, a power of two from 4. */
  readonly period: number;
  readonly lastBlock: BlockNumber;
}

/** Chains remember some thousand block hashes; an era may not reach back further. */
const LONGEST_PERIOD = 256;
const SHORTEST_PERIOD = 4;

/**
 * An era that ends exactly with the deadline block, so that what is late can never land.
 *
 * Eras are powers of two long, but where they begin is free: the era is laid backwards from the deadline, long enough
 * that it began at a block that is already final (its hash cannot be forked away). Where there is none such, as the
 * deadline is further off than the longest era or the chain is too young, the era begins at the final head and ends
 * earlier, to be signed anew when it has passed. Only before block 3 is a deadline too early for any era.
 */
export function mortalityFor(finalized: BlockNumber, deadlineBlock: BlockNumber): Mortality {
  const blocks = deadlineBlock + 1;
  let period = SHORTEST_PERIOD;
  while (blocks - period > finalized && period < LONGEST_PERIOD && 2 * period <= blocks) period *= 2;
  const birth = Math.max(0, Math.min(finalized, blocks - period));
  return { birth, period, lastBlock: birth + period - 1 };
}

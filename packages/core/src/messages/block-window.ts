import type { BlockNumber } from "../units.ts";

/** Blocks a signer may be ahead of us: its node may have seen a block or two that ours has not. */
const MAX_BLOCKS_AHEAD = 2;

/**
 * Whether a signed block is recent: `current - window ≤ signed ≤ current + 2`.
 *
 * @param window how many blocks back is still good: the length of Submission. Keep nonces as long.
 * @see packages/docs/protocol.md §4.3
 */
export function isRecentBlock(signed: BlockNumber, current: BlockNumber, window: number): boolean {
  return signed >= current - window && signed <= current + MAX_BLOCKS_AHEAD;
}

import type { BlockNumber, Hotkey, Uid } from "../../units.ts";
import { consensusOf, stakeMean, stakeMedian, type Vote } from "./consensus.ts";
import { distanceBetween, isWithinRounding, type Shares } from "./shares.ts";

/** A validator's weights at one block. */
export interface Voter extends Vote {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly lastUpdate: BlockNumber;
}

/** What a copy equals. */
export type CopySource =
  | { readonly kind: "consensus"; readonly rule: "median" | "mean" }
  | { readonly kind: "validator"; readonly uid: Uid; readonly hotkey: Hotkey };

/**
 * Vectors no further apart count as equal: what 256 shares differ at most when each is rounded to 1/65535, as the chain
 * itself stores its consensus, is 0.00098.
 */
export const COPY_DISTANCE = 0.001;

/** Fewer weights, or only equal ones, come about by themselves: a burn, a fallback. */
const LEAST_TELLING_UIDS = 3;

/**
 * Of what was on chain at an earlier block a validator's weights are a copy; empty when they are none, or nothing tells.
 *
 * They are one when they were set after that block, were not its own there, equal what stood there, and the others have
 * moved on since. What two or more others had there already proves nothing: validators who measure the same miners on
 * the same text come to it by themselves.
 *
 * @param others All other validators of the block of `voter`.
 * @see packages/docs/protocol.md §9.3
 */
export function copySources(
  voter: Voter,
  others: readonly Voter[],
  earlier: { readonly block: BlockNumber; readonly voters: readonly Voter[] },
): readonly CopySource[] {
  if (voter.lastUpdate <= earlier.block || !isTelling(voter.shares)) return [];
  const isEqual = (shares: Shares) => areEqual(shares, voter.shares);
  const own = earlier.voters.find(({ hotkey }) => hotkey === voter.hotkey);
  if ((own !== undefined && isEqual(own.shares)) || isEqual(consensusOf(others))) return [];
  const strangers = earlier.voters.filter(({ hotkey }) => hotkey !== voter.hotkey);
  const holders = strangers.filter(({ shares }) => isEqual(shares));
  if (holders.length > 1) return [];
  const isRule = (rule: (votes: readonly Vote[]) => Shares) =>
    isEqual(rule(earlier.voters)) || isEqual(rule(strangers));
  return [
    ...(isRule(stakeMedian) ? [{ kind: "consensus", rule: "median" } as const] : []),
    ...(isRule(stakeMean) ? [{ kind: "consensus", rule: "mean" } as const] : []),
    ...holders.map(({ uid, hotkey }) => ({ kind: "validator", uid, hotkey }) as const),
  ];
}

function areEqual(one: Shares, other: Shares): boolean {
  if (one.size === 0 || other.size === 0) return false;
  return distanceBetween(one, other) <= COPY_DISTANCE || isWithinRounding(one, other);
}

function isTelling(shares: Shares): boolean {
  return shares.size >= LEAST_TELLING_UIDS && new Set(shares.values()).size > 1;
}

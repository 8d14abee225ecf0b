import type { Uid } from "../../units.ts";
import { type Shares, sharesOf } from "./shares.ts";

/** What one validator says, and how much it counts. */
export interface Vote {
  readonly stakeRao: bigint;
  readonly shares: Shares;
}

/**
 * What half of the stake gives each UID at least: the median of its shares weighted by stake, as parts of their sum.
 * Where exactly half stands on each side it is the middle of the two. A validator that does not name a UID gives it 0.
 *
 * @returns empty when no UID is named by half of the stake, or nobody has any.
 * @see subtensor, `pallets/subtensor/src/epoch/math.rs`, `weighted_median_col`, with a kappa of one half
 */
export function stakeMedian(votes: readonly Vote[]): Shares {
  const counted = votes.filter(isCounted);
  return sharesOf(namedUids(counted).map((uid) => [uid, medianShare(counted, uid)] as const));
}

/**
 * The mean of all shares weighted by stake.
 *
 * @returns empty when nobody has stake and weights.
 */
export function stakeMean(votes: readonly Vote[]): Shares {
  const counted = votes.filter(isCounted);
  const paid = (uid: Uid) =>
    counted.reduce((total, { stakeRao, shares }) => total + Number(stakeRao) * (shares.get(uid) ?? 0), 0);
  return sharesOf(namedUids(counted).map((uid) => [uid, paid(uid)] as const));
}

/** {@link stakeMedian}, or {@link stakeMean} where no UID is named by half of the stake. */
export function consensusOf(votes: readonly Vote[]): Shares {
  const median = stakeMedian(votes);
  return median.size > 0 ? median : stakeMean(votes);
}

function isCounted({ stakeRao, shares }: Vote): boolean {
  return stakeRao > 0n && shares.size > 0;
}

function namedUids(votes: readonly Vote[]): readonly Uid[] {
  return [...new Set(votes.flatMap(({ shares }) => [...shares.keys()]))].sort((a, b) => a - b);
}

function medianShare(votes: readonly Vote[], uid: Uid): number {
  const ranked = votes
    .map(({ stakeRao, shares }) => ({ stakeRao, share: shares.get(uid) ?? 0 }))
    .sort((a, b) => a.share - b.share);
  const total = ranked.reduce((sum, { stakeRao }) => sum + stakeRao, 0n);
  const firstWith = (isReached: (doubled: bigint) => boolean): number => {
    let below = 0n;
    for (const { stakeRao, share } of ranked) {
      below += stakeRao;
      if (isReached(2n * below)) return share;
    }
    return 0;
  };
  return (firstWith((doubled) => doubled >= total) + firstWith((doubled) => doubled > total)) / 2;
}

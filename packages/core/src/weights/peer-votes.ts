import type { Hotkey, Uid } from "../units.ts";

/** Another validator's weights as the chain holds them. */
export interface PeerVote {
  readonly hotkey: Hotkey;
  readonly stakeRao: bigint;
  readonly weights: readonly (readonly [Uid, number])[];
}

/**
 * The miners that other validators pay most, all with the same share: the fallback of the reference.
 *
 * A vote is a validator's weights on candidates, as shares of their sum, times its stake. One that gives several
 * candidates the same is no vote: it is somebody else's fallback, and ours looks the same, so that no fallback is ever
 * built on another. A vote for one candidate counts.
 *
 * @param candidates who may be paid: neither a voter nor ourselves nor the owner's slot
 * @returns a share of 1 / n for each of at most `top`, lower UID first among equals; empty without any vote
 * @see packages/docs/protocol.md §7.9
 */
export function fallbackShares(
  votes: readonly PeerVote[],
  candidates: ReadonlySet<Uid>,
  top: number,
): ReadonlyMap<Uid, number> {
  const support = new Map<Uid, number>();
  for (const { stakeRao, weights } of votes) {
    for (const [uid, share] of differentiatedShares(weights, candidates)) {
      support.set(uid, (support.get(uid) ?? 0) + share * Number(stakeRao));
    }
  }
  const paid = [...support]
    .filter(([, stake]) => stake > 0)
    .sort(([uid, stake], [otherUid, otherStake]) => otherStake - stake || uid - otherUid)
    .slice(0, top);
  return new Map(paid.map(([uid]) => [uid, 1 / paid.length]));
}

/** A vote's shares among candidates; none when it tells no difference between them. */
function differentiatedShares(
  weights: PeerVote["weights"],
  candidates: ReadonlySet<Uid>,
): readonly (readonly [Uid, number])[] {
  const given = weights.filter(([uid, weight]) => weight > 0 && candidates.has(uid));
  const sum = given.reduce((total, [, weight]) => total + weight, 0);
  const isEven = given.length > 1 && given.every(([, weight]) => weight === given[0]?.[1]);
  return isEven ? [] : given.map(([uid, weight]) => [uid, weight / sum] as const);
}

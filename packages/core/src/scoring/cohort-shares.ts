import type { Uid } from "../units.ts";

/** Averages of the two groups that the reference pays. */
export interface Cohorts {
  /** Steady miners, at most three. */
  readonly first: ReadonlyMap<Uid, number>;
  /** Newcomers and the next best, at most five. */
  readonly second: ReadonlyMap<Uid, number>;
}

const FIRST_SHARE = 0.98;
const SECOND_SHARE = 0.02;
const OWNER_UID: Uid = 0;
const OWNER_SHARE = 0.05;

/**
 * Shares of emission by cohort: 98 % to the first group, 2 % to the second, inside a group by average.
 *
 * A group whose averages are all 0 is split evenly. An empty first group's share goes to UID 0 (the subnet's owner);
 * an empty second group leaves everything to the first.
 *
 * @returns shares that sum to 1
 * @see packages/docs/protocol.md §7.7
 */
export function cohortShares({ first, second }: Cohorts): ReadonlyMap<Uid, number> {
  const payees = first.size > 0 ? first : new Map([[OWNER_UID, 1]]);
  const shares = new Map<Uid, number>();
  addProportional(shares, payees, FIRST_SHARE);
  addProportional(shares, second, SECOND_SHARE);
  return normalised(shares);
}

/**
 * Shares after the owner's constant 5 %: all others are scaled by 0.95. Without any shares the owner has everything.
 *
 * @see packages/docs/protocol.md §7.7
 */
export function withOwnerShare(shares: ReadonlyMap<Uid, number>): ReadonlyMap<Uid, number> {
  if (shares.size === 0) return new Map([[OWNER_UID, 1]]);
  const scaled = new Map([...shares].map(([uid, share]) => [uid, share * (1 - OWNER_SHARE)]));
  return scaled.set(OWNER_UID, (scaled.get(OWNER_UID) ?? 0) + OWNER_SHARE);
}

function addProportional(shares: Map<Uid, number>, averages: ReadonlyMap<Uid, number>, share: number): void {
  const total = sum(averages.values());
  for (const [uid, average] of averages) {
    const part = total > 0 ? average / total : 1 / averages.size;
    shares.set(uid, (shares.get(uid) ?? 0) + share * part);
  }
}

function normalised(shares: ReadonlyMap<Uid, number>): ReadonlyMap<Uid, number> {
  const total = sum(shares.values());
  return new Map([...shares].map(([uid, share]) => [uid, share / total]));
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

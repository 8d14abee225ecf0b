import type { NatsPerToken, Uid } from "../units.ts";

/** Points of the first, second and third rank. */
const RANK_POINTS = [2.25, 1.5, 1] as const;

/**
 * The reference's later score: `max(0, before - after) ^ exponent`. Ours is `scoreOf`; this one is for comparison.
 *
 * @see packages/docs/protocol.md §7.5
 */
export function deltaPower(before: NatsPerToken, after: NatsPerToken, exponent = 1.2): number {
  return Math.max(0, before - after) ** exponent;
}

/**
 * The reference's points of a round: 2.25, 1.5 and 1 for the three largest deltas, 0 for all others.
 *
 * A delta that another miner has as well, to the last bit, earns nothing and takes no rank; nor does one that is not
 * above 0.
 *
 * @see packages/docs/protocol.md §7.5
 */
export function rankPoints(deltas: ReadonlyMap<Uid, number>): ReadonlyMap<Uid, number> {
  const holders = new Map<number, number>();
  for (const delta of deltas.values()) holders.set(delta, (holders.get(delta) ?? 0) + 1);
  const ranked = [...deltas]
    .filter(([, delta]) => delta > 0 && holders.get(delta) === 1)
    .sort(([, a], [, b]) => b - a)
    .map(([uid]) => uid);
  return new Map([...deltas.keys()].map((uid) => [uid, RANK_POINTS[ranked.indexOf(uid)] ?? 0]));
}

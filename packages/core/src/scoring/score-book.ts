import type { Hotkey, Uid } from "../units.ts";

/** A miner's standing. It belongs to the hotkey: a new owner of the slot starts from nothing. */
export interface ScoreEntry {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  /** Exponential moving average of the points so far. */
  readonly ema: number;
  /** How many points the average has seen. */
  readonly points: number;
}

/** All standings by slot. */
export type ScoreBook = ReadonlyMap<Uid, ScoreEntry>;

/** One miner's result in one round. Miners that we failed to measure have none. */
export interface ScorePoint {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly value: number;
}

/**
 * The next value of an exponential moving average: `weightOfOld · previous + (1 - weightOfOld) · value`.
 *
 * @param previous null before the first value, which is taken as it is
 * @param weightOfOld weight of the history in [0, 1); the published `score_ema_alpha: 0.9` is this one
 * @throws RangeError for a weight outside [0, 1) or a value that is not finite (a caller's bug).
 * @see packages/docs/protocol.md §7.4
 */
export function emaNext(previous: number | null, value: number, weightOfOld: number): number {
  if (!(weightOfOld >= 0 && weightOfOld < 1)) throw new RangeError(`Not a weight of the old value: ${weightOfOld}`);
  if (!Number.isFinite(value)) throw new RangeError(`Not a score: ${value}`);
  return previous === null ? value : weightOfOld * previous + (1 - weightOfOld) * value;
}

/** The entry after one more point. Starts afresh when the slot's hotkey is another than before. */
export function nextEntry(previous: ScoreEntry | undefined, point: ScorePoint, weightOfOld: number): ScoreEntry {
  const { uid, hotkey, value } = point;
  const own = previous?.hotkey === hotkey ? previous : undefined;
  return { uid, hotkey, ema: emaNext(own?.ema ?? null, value, weightOfOld), points: (own?.points ?? 0) + 1 };
}

/** The book after a round's points. Slots without a point keep their entry. */
export function recordPoints(book: ScoreBook, points: readonly ScorePoint[], weightOfOld: number): ScoreBook {
  const next = new Map(book);
  for (const point of points) next.set(point.uid, nextEntry(next.get(point.uid), point, weightOfOld));
  return next;
}

/**
 * Mean of the newest points, the reference's aggregate; 0 without any.
 *
 * @param values oldest first
 * @param window how many of the newest count; the reference takes 8
 */
export function averageOfLast(values: readonly number[], window: number): number {
  const newest = window > 0 ? values.slice(-window) : [];
  return newest.length === 0 ? 0 : newest.reduce((sum, value) => sum + value, 0) / newest.length;
}

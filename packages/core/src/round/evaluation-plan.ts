import type { ExpertGroup, Hotkey, RoundId, Uid } from "../units.ts";

/** A submission that is to be measured. */
export interface Candidate {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly group: ExpertGroup;
}

/** What earlier rounds left of a UID's miner. */
export interface Standing {
  readonly hotkey: Hotkey;
  readonly ema: number;
  /** The last round that gave it a point. */
  readonly lastRound: RoundId;
}

/** How long one measurement took. */
export interface MeasuredSpeed {
  readonly group: ExpertGroup;
  readonly seconds: number;
}

/** What the order of a round's evaluations follows from. */
export interface OrderFacts {
  /** Whom the assignment gives to this validator; the others come after. */
  readonly own: ReadonlySet<Hotkey>;
  readonly standings: ReadonlyMap<Uid, Standing>;
}

/** What the forecast follows from. */
export interface SpeedFacts {
  /** Recent measurements; without any there is no forecast. */
  readonly speeds: readonly MeasuredSpeed[];
  /** How many measurements run side by side; null when that cannot be known. */
  readonly concurrency: number | null;
  readonly secondsLeft: number;
}

export interface EvaluationForecast {
  /** How many of the candidates end before the deadline. */
  readonly fit: number;
  /** Until the last of all candidates ends, past the deadline or not; null when none ever begins. */
  readonly seconds: number | null;
  /** Of all measurements together, side by side or not. */
  readonly deviceSeconds: number;
}

/**
 * The order in which submissions are measured, the most urgent first.
 *
 * Own assignment before others'; in each the leaders first (the best average of every group, as the merge takes one per
 * group), then whoever has waited longest for a point, newcomers before all; then the UID.
 */
export function orderEvaluations<C extends Candidate>(
  candidates: readonly C[],
  { own, standings }: OrderFacts,
): readonly C[] {
  const standingOf = ({ uid, hotkey }: C) => {
    const standing = standings.get(uid);
    return standing?.hotkey === hotkey ? standing : null;
  };
  const leaders = new Set(leadersOf(candidates, (each) => standingOf(each)?.ema ?? 0));
  const ranked = candidates.map((candidate) => ({
    candidate,
    rank: [
      own.has(candidate.hotkey) ? 0 : 1,
      leaders.has(candidate) ? -(standingOf(candidate)?.ema ?? 0) : 0,
      standingOf(candidate)?.lastRound ?? -1,
      candidate.uid,
    ],
  }));
  return ranked.sort((a, b) => compareRanks(a.rank, b.rank)).map(({ candidate }) => candidate);
}

/**
 * How many submissions end before the deadline when they are measured in this order, each by the worker that is free
 * first. A measurement is expected to take the median of its group's recent ones, or of all where its group has none.
 *
 * @returns null while speed or concurrency is unknown: nothing is guessed
 */
export function forecastEvaluations(
  order: readonly Candidate[],
  { speeds, concurrency, secondsLeft }: SpeedFacts,
): EvaluationForecast | null {
  const secondsOf = expectedSeconds(speeds);
  if (concurrency === null || secondsOf === null) return null;
  const expected = order.map(({ group }) => secondsOf(group));
  const deviceSeconds = expected.reduce((sum, seconds) => sum + seconds, 0);
  if (concurrency === 0) return { fit: 0, seconds: null, deviceSeconds };
  const freeAt: number[] = Array(concurrency).fill(0);
  const ends = expected.map((seconds) => {
    const first = freeAt.indexOf(Math.min(...freeAt));
    const end = (freeAt[first] ?? 0) + seconds;
    freeAt[first] = end;
    return end;
  });
  return { fit: ends.filter((end) => end <= secondsLeft).length, seconds: Math.max(...freeAt), deviceSeconds };
}

/** The middle value, the mean of both in the middle of an even number, null of none. */
export function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined) return null;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** The candidate of each group with the highest average above zero. */
function leadersOf<C extends Candidate>(candidates: readonly C[], emaOf: (candidate: C) => number): readonly C[] {
  const leaders = new Map<ExpertGroup, C>();
  for (const candidate of candidates) {
    const best = leaders.get(candidate.group);
    if (emaOf(candidate) > (best === undefined ? 0 : emaOf(best))) leaders.set(candidate.group, candidate);
  }
  return [...leaders.values()];
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  return a.map((value, index) => value - (b[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
}

function expectedSeconds(speeds: readonly MeasuredSpeed[]): ((group: ExpertGroup) => number) | null {
  const overall = median(speeds.map(({ seconds }) => seconds));
  if (overall === null) return null;
  const groups = Map.groupBy(speeds, ({ group }) => group);
  const medians = new Map([...groups].map(([group, own]) => [group, median(own.map(({ seconds }) => seconds))]));
  return (group) => medians.get(group) ?? overall;
}

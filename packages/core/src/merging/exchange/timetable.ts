/** When the statements of one kind are due and when each round of their agreement ends, in shares of the timeout. */
export interface Stage {
  /** Until then everybody has said its own. */
  readonly due: number;
  readonly roundEnds: readonly number[];
}

// Two rounds of each agreement hold against one liar.
const ANNOUNCEMENTS: Stage = { due: 0.08, roundEnds: [0.13, 0.2] };
/** One attempt to average, and one without those who kept it from ending. */
const RESULTS: readonly Stage[] = [
  { due: 0.36, roundEnds: [0.43, 0.5] },
  { due: 0.62, roundEnds: [0.68, 0.74] },
];
// What is left after them is for making averages again that somebody objects to.
const FINALS: Stage = { due: 0.84, roundEnds: [0.88, 0.92] };

/** The announcements' stage. */
export function announcementStage(): Stage {
  return ANNOUNCEMENTS;
}

/** The stage of an attempt's results, attempts counted from 1; null beyond the last. */
export function resultStage(attempt: number): Stage | null {
  return RESULTS[attempt - 1] ?? null;
}

/** The stage of the finals: what is left of the time after any attempt. */
export function finalStage(): Stage {
  return FINALS;
}

/** The round that runs at a share of the timeout, from 1; null once the last is over. */
export function roundAt(share: number, { roundEnds }: Stage): number | null {
  const round = roundEnds.findIndex((end) => share < end);
  return round < 0 ? null : round + 1;
}

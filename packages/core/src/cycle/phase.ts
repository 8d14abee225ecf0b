import type { BlockNumber } from "../units.ts";

/** The nine phases of a cycle, in order. A schedule may give a phase no blocks at all. */
export const PHASES = [
  "distribute",
  "train",
  "minerCommit1",
  "minerCommit2",
  "submission",
  "validate",
  "merge",
  "validatorCommit1",
  "validatorCommit2",
] as const;
export type Phase = (typeof PHASES)[number];

/** Length of each phase in blocks. A cycle's length is their sum and is never set separately. */
export type CycleSchedule = Readonly<Record<Phase, number>>;

/** The nine-phase table of the subnet owner's service: 45 blocks, about nine minutes on finney. */
export const NINE_PHASE_45: CycleSchedule = {
  distribute: 5,
  train: 20,
  minerCommit1: 3,
  minerCommit2: 3,
  submission: 3,
  validate: 3,
  merge: 3,
  validatorCommit1: 3,
  validatorCommit2: 2,
};

/** The published four-phase table (Distribute 0–5, Train 5–35, Commit 35–40, Submit 40–45) as nine phases. */
export const SEED_45: CycleSchedule = {
  distribute: 5,
  train: 30,
  minerCommit1: 2,
  minerCommit2: 3,
  submission: 5,
  validate: 0,
  merge: 0,
  validatorCommit1: 0,
  validatorCommit2: 0,
};

/** First and last block of a phase, both inclusive. A phase without blocks has `lastBlock = firstBlock - 1`. */
export interface PhaseWindow {
  readonly firstBlock: BlockNumber;
  readonly lastBlock: BlockNumber;
}

/** Where a block stands in its cycle. */
export interface PhaseAt extends PhaseWindow {
  readonly block: BlockNumber;
  readonly cycle: number;
  readonly phase: Phase;
}

/** A coming window of a phase and how many blocks away its first block is. */
export interface UpcomingPhase extends PhaseWindow {
  readonly blocksUntil: number;
}

/**
 * Blocks in one cycle: the sum of the phases.
 *
 * @throws RangeError if a length is not a whole number ≥ 0 or no phase has a block (a configuration that was not
 *   checked, so a bug).
 */
export function cycleLength(schedule: CycleSchedule): number {
  let length = 0;
  for (const phase of PHASES) {
    requireWhole(schedule[phase], `length of ${phase}`);
    length += schedule[phase];
  }
  if (length === 0) throw new RangeError("A cycle needs at least one block");
  return length;
}

/**
 * The phase a block belongs to. Cycles are counted from block 0 of the chain; phases without blocks are never returned.
 *
 * @throws RangeError for a block that is not a whole number ≥ 0 (a caller's bug).
 */
export function phaseAt(block: BlockNumber, schedule: CycleSchedule): PhaseAt {
  requireWhole(block, "block");
  const cycle = Math.floor(block / cycleLength(schedule));
  for (const phase of PHASES) {
    const { firstBlock, lastBlock } = phaseWindow(cycle, phase, schedule);
    if (block >= firstBlock && block <= lastBlock) return { block, cycle, phase, firstBlock, lastBlock };
  }
  throw new RangeError(`Block ${block} is in no phase of cycle ${cycle}`);
}

/** The blocks of one phase in one cycle (cycle 0 starts at block 0; a negative cycle has negative blocks). */
export function phaseWindow(cycle: number, phase: Phase, schedule: CycleSchedule): PhaseWindow {
  let firstBlock = cycle * cycleLength(schedule);
  for (const earlier of PHASES) {
    if (earlier === phase) break;
    firstBlock += schedule[earlier];
  }
  return { firstBlock, lastBlock: firstBlock + schedule[phase] - 1 };
}

/**
 * For each phase its next window that starts at `block` or later.
 *
 * On a phase's first block that is the running window (`blocksUntil` 0); one block later it is the next cycle's.
 * Reproduces the owner service's `/blocks_until_next_phase`.
 */
export function blocksUntilNextPhase(
  block: BlockNumber,
  schedule: CycleSchedule,
): Readonly<Record<Phase, UpcomingPhase>> {
  const { cycle } = phaseAt(block, schedule);
  return recordByPhase((phase) => {
    const inThisCycle = phaseWindow(cycle, phase, schedule);
    const next = inThisCycle.firstBlock >= block ? inThisCycle : phaseWindow(cycle + 1, phase, schedule);
    return { ...next, blocksUntil: next.firstBlock - block };
  });
}

/**
 * {@link blocksUntilNextPhase} one cycle earlier, as the owner service's `/previous_phase_blocks` answers.
 *
 * Not "the last finished window": from its second block on a running phase is reported itself, and on its first block
 * still the window before. Use {@link phaseWindow} to ask for a finished phase.
 */
export function previousPhaseBlocks(block: BlockNumber, schedule: CycleSchedule): Readonly<Record<Phase, PhaseWindow>> {
  const length = cycleLength(schedule);
  const upcoming = blocksUntilNextPhase(block, schedule);
  return recordByPhase((phase) => ({
    firstBlock: upcoming[phase].firstBlock - length,
    lastBlock: upcoming[phase].lastBlock - length,
  }));
}

function recordByPhase<T>(entryOf: (phase: Phase) => T): Readonly<Record<Phase, T>> {
  return Object.fromEntries(PHASES.map((phase) => [phase, entryOf(phase)])) as Record<Phase, T>;
}

function requireWhole(value: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`The ${what} must be a whole number, not ${value}`);
}

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

/** Where a block stands in its cycle. First and last block are inclusive. */
export interface PhaseAt {
  readonly block: BlockNumber;
  readonly cycle: number;
  readonly phase: Phase;
  readonly firstBlock: BlockNumber;
  readonly lastBlock: BlockNumber;
}

import type { Network } from "@assay/core/network";
import type { BlockNumber } from "@assay/core/units";
import { cycleWindows } from "../cycle/cycle-windows.ts";

/** The blocks of a merge with other validators. */
export interface ExchangeWindow {
  /** At this block what we offer is made of what is measured. */
  readonly offerLast: BlockNumber;
  /** The merge's time runs from this block on. */
  readonly first: BlockNumber;
}

/**
 * When a cycle's merge with other validators is due: as late as it still ends with its phase, a block before for
 * clocks and lost blocks, so that evaluations have the rest. The same for all, whoever is finished earlier.
 *
 * Where the timeout is longer than the phase it begins with the phase.
 */
export function exchangeWindow(
  cycle: number,
  { schedule, blockMillis }: Network,
  timeoutMillis: number,
): ExchangeWindow {
  const { mergeFirst, mergeGivenUpAfter } = cycleWindows(cycle, schedule);
  const end = schedule.merge > 0 ? mergeFirst + schedule.merge - 1 : mergeGivenUpAfter;
  const blocks = Math.ceil(timeoutMillis / blockMillis);
  const first = Math.max(mergeFirst, end + 1 - blocks - SPARE_BLOCKS);
  return { first, offerLast: Math.max(mergeFirst, first - Math.ceil(blocks / 2)) };
}

const SPARE_BLOCKS = 1;

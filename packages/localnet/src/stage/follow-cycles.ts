import { blockReached } from "@assay/chain/block-reached";
import { AppError } from "@assay/core/app-error";
import { cycleLength, phaseWindow } from "@assay/core/cycle/phase";
import type { Network } from "@assay/core/network";
import { type CycleReport, type ReportSources, reportCycle } from "./cycle-report.ts";

/** Cycles after the expected one in which the report of a cycle must have come. */
const PATIENCE_CYCLES = 2;

export interface FollowOptions {
  readonly count: number;
  readonly network: Network;
}

/**
 * The reports of the first cycles, each as soon as its weights were read back from the chain by the validator.
 *
 * @throws AppError `LOCALNET_NO_WEIGHTS` when a cycle's weights do not come in time.
 */
export async function* followCycles(
  sources: ReportSources,
  { count, network }: FollowOptions,
  signal: AbortSignal,
): AsyncGenerator<CycleReport> {
  const { chain } = sources;
  const length = cycleLength(network.schedule);
  let block = chain.head().number;
  for (let reported = 0; reported < count; ) {
    const deadline = (reported + 1 + PATIENCE_CYCLES) * length;
    const report = await reportOf(reported, sources, network);
    if (report !== null) {
      yield report;
      reported += 1;
      continue;
    }
    if (block > deadline) {
      throw new AppError("LOCALNET_NO_WEIGHTS", `The weights of cycle ${reported} did not come by block ${deadline}`);
    }
    block += 1;
    await blockReached(chain, block, signal);
    block = chain.head().number;
  }
}

async function reportOf(cycle: number, sources: ReportSources, network: Network): Promise<CycleReport | null> {
  const { ledger } = sources;
  const roundId = phaseWindow(cycle, "submission", network.schedule).firstBlock as number;
  const record = await ledger.rounds.get(roundId);
  if (record?.closed !== true) return null;
  const intent = (await ledger.intents.ofRound(roundId)).find(({ state }) => state === "verified");
  return intent === undefined ? null : await reportCycle(record.round, intent, sources);
}

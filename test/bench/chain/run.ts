import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { blockReached } from "@assay/chain/block-reached";
import type { Epoch } from "@assay/chain/weight-rules";
import { cycleLength } from "@assay/core/cycle/phase";
import type { BlockNumber } from "@assay/core/units";
import { Ledger } from "@assay/ledger/ledger";
import { LOCAL_NETUID, VALIDATOR_UID } from "@assay/localnet/stage/local-subnet";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { retry } from "@assay/runtime/time/retry";
import { type StruckFault, strikeAll } from "./lanes.ts";
import type { ChainBenchOptions } from "./options.ts";
import { expectedMetrics, type WrongMetric, wrongMetrics } from "./published-metrics.ts";
import { type ChaosStage, openChaosStage, RATE_LIMIT } from "./stage.ts";
import { CUT_OFF_TOO, WeightRecord } from "./weight-record.ts";

export interface ChainBenchResult {
  readonly cycles: number;
  readonly faults: readonly StruckFault[];
  /** Tempos in which the chain permitted a set of weights, after the first closed round. */
  readonly windows: number;
  /** Of these, those with exactly one set that the validator read back as verified. */
  readonly verified: number;
  /** Tempos with more than one set. */
  readonly doubled: number;
  /** Permitted windows without any. */
  readonly missed: number;
  readonly wrongMetrics: readonly WrongMetric[];
  readonly seed: number;
  readonly commitReveal: string | null;
}

/** Whether all went as it must. */
export function isWell({ windows, verified, doubled, missed, faults, wrongMetrics: wrong }: ChainBenchResult): boolean {
  const survived = faults.every(({ recoverySeconds }) => recoverySeconds !== null);
  return windows > 0 && verified === windows && doubled === 0 && missed === 0 && survived && wrong.length === 0;
}

/** Plays the cycles on one chain, with one validator, and counts what arrived. */
export async function runChainBench(
  options: ChainBenchOptions,
  write: (line: string) => void,
): Promise<ChainBenchResult> {
  const root =
    options.directory === null ? await mkdtemp(join(tmpdir(), "assay-bench-chain-")) : resolve(options.directory);
  const stack = new AsyncDisposableStack();
  let isSpent = false;
  // Last of all: a validator that runs writes to it.
  stack.defer(async () => void (isSpent && (await rm(root, { recursive: true, force: true }))));
  try {
    write(`Working in ${root}`);
    const logger = createMemoryLogger();
    const stage = await openChaosStage(root, options, { logger, stack, write });
    const ledger = await Ledger.open({ path: stage.subnet.validator.ledgerPath }, { logger });
    stack.defer(() => ledger.stop());
    const result = await play({ stage, ledger, options, write });
    isSpent = options.directory === null && isWell(result);
    return result;
  } finally {
    await stack.disposeAsync();
  }
}

interface Game {
  readonly stage: ChaosStage;
  readonly ledger: Ledger;
  readonly options: ChainBenchOptions;
  readonly write: (line: string) => void;
}

async function play({ stage, ledger, options, write }: Game): Promise<ChainBenchResult> {
  const { chain, network, subnet, watch } = stage;
  const ending = new AbortController();
  const record = new WeightRecord(chain, { netuid: LOCAL_NETUID, uid: VALIDATOR_UID, rateLimit: RATE_LIMIT });
  const following = record.follow(ending.signal);
  const faults: StruckFault[] = [];
  const wrong: WrongMetric[] = [];
  const length = cycleLength(network.schedule);
  const turn = { seed: options.seed, signal: ending.signal, recorded: () => record.next };
  await subnet.run();
  const from = await firstClosed(stage, ledger, following);
  for (let done = 1; done <= options.cycles; done += 1) {
    // Faults that take longer than their cycle end in the next: then a whole one follows.
    const cycle = Math.ceil(chain.head().number / length);
    await Promise.race([blockReached(chain, cycle * length, ending.signal), following]);
    const struck = await strikeAll(stage, { ...turn, cycle });
    faults.push(...struck);
    const temposSince = async (block: BlockNumber) => {
      const then = record.tempoOf(block);
      return then === null ? null : (await epoch(stage)).index - then;
    };
    wrong.push(...(await wrongMetrics(cycle, watch, () => expectedMetrics(ledger, temposSince))));
    write(lineOf(done, options.cycles, struck, chain.head().number));
  }
  const upTo = await settled(stage, options, following);
  ending.abort();
  await following;
  const { permitted, doubled, missed, tempos } = record.count({ from, upTo });
  const verified = await verifiedOf(
    ledger,
    tempos.map(({ index }) => index),
    [...doubled, ...missed],
  );
  const { cycles, seed, commitReveal } = options;
  const counted = { windows: permitted, verified, doubled: doubled.length, missed: missed.length };
  return { cycles, faults, ...counted, wrongMetrics: wrong, seed, commitReveal };
}

/** The block from which on the validator has something to set: the first closed round's weights. */
async function firstClosed({ chain }: ChaosStage, ledger: Ledger, following: Promise<void>): Promise<BlockNumber> {
  while ((await ledger.intents.latestVerified()) === null) {
    await Promise.race([blockReached(chain, chain.head().number + 1, NEVER), following]);
  }
  return chain.head().number;
}

/** Lets the last windows end, and what landed in them become final and be read back. */
async function settled(
  { chain }: Pick<ChaosStage, "chain">,
  { commitReveal }: Pick<ChainBenchOptions, "commitReveal">,
  following: Promise<void>,
): Promise<BlockNumber> {
  const { nextBlock, blocks } = await epoch({ chain });
  // Hidden weights are shown in the epoch after their own.
  const until = nextBlock + (commitReveal === null ? 0 : blocks) + SETTLING_BLOCKS;
  await Promise.race([blockReached(chain, until, NEVER), following]);
  return nextBlock;
}

/** The epoch of the newest block. */
async function epoch({ chain }: Pick<ChaosStage, "chain">): Promise<Epoch> {
  const read = () => chain.weightRules(LOCAL_NETUID, chain.head().hash);
  return (await retry(read, { ...CUT_OFF_TOO, signal: NEVER })).epoch;
}

/** Finality, and reading back. */
const SETTLING_BLOCKS = 30;

const NEVER = new AbortController().signal;

async function verifiedOf(ledger: Ledger, tempos: readonly number[], without: readonly number[]): Promise<number> {
  const states = await Promise.all(
    tempos
      .filter((tempo) => !without.includes(tempo))
      .map(async (tempo) => (await ledger.intents.ofTempo(tempo))?.state === "verified"),
  );
  return states.filter(Boolean).length;
}

function lineOf(done: number, cycles: number, struck: readonly StruckFault[], block: BlockNumber): string {
  const seconds = struck.map(({ recoverySeconds }) => recoverySeconds ?? Number.POSITIVE_INFINITY);
  const lost = struck.filter(({ recoverySeconds }) => recoverySeconds === null).map(({ kind }) => kind);
  return [
    `cycle ${done}/${cycles}`,
    `block ${block}`,
    `${struck.length} faults`,
    `slowest recovery ${Math.max(...seconds).toFixed(1)} s`,
    ...(lost.length === 0 ? [] : [`NOT SURVIVED: ${lost.join(", ")}`]),
  ].join(", ");
}

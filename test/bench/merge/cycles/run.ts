import { readFile } from "node:fs/promises";
import { blockReached } from "@assay/chain/block-reached";
import { CheckpointLayout } from "@assay/checkpoint/layout";
import { cycleLength, phaseAt, phaseWindow } from "@assay/core/cycle/phase";
import { Ledger } from "@assay/ledger/ledger";
import type { MergeEndRecord } from "@assay/ledger/merge-ends";
import type { LocalValidator } from "@assay/localnet/stage/local-validator";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { ValidatorWatch } from "../../chain/validator-watch.ts";
import { type MergeStage, NETWORK, openMergeStage } from "./stage.ts";
import { bytesSentInMerges, sizeOfOffer } from "./traffic.ts";
import { TROUBLES, type Trouble } from "./troubles.ts";

export interface MergeCyclesOptions {
  readonly validators: number;
  readonly miners: number;
  /** Cycles in which all are honest, the first ones. */
  readonly honestCycles: number;
  /** Names of the troubles that one validator has after them, one per cycle. */
  readonly troubles: readonly string[];
}

/** A validator that the others left out, and why they say so. */
export interface Excluded {
  readonly cycle: number;
  /** The validator's uid. */
  readonly peer: number;
  readonly reason: string;
}

/** What was to be seen in one cycle. */
export interface MergedCycle {
  readonly cycle: number;
  readonly trouble: string | null;
  /** Whether all that had no trouble ended with the same version. */
  readonly agreed: boolean;
  /** How many validators had that version when the merge was over. */
  readonly synced: number;
  /** Whether everybody had it when the next merge began. */
  readonly caughtUp: boolean;
  /** Whether the one with trouble was left out for that reason, or need not have been. */
  readonly asExpected: boolean;
}

export interface MergeCyclesResult {
  readonly cycles: number;
  /** Of these, those in which all that had no trouble ended with the same version. */
  readonly agreed: number;
  /** The lowest of `consensus/agreement_rate` that those show in the end that never had trouble. */
  readonly agreementRate: number;
  readonly seen: readonly MergedCycle[];
  readonly excluded: readonly Excluded[];
  /** Of the validators without trouble, from the merge's first block to its end. */
  readonly seconds: { readonly median: number; readonly max: number; readonly deadline: number };
  /** What a model server sent in one merge of honest ones, on average. */
  readonly bytesPerMember: number;
  /** What a validator offered, on average. */
  readonly groupBytes: number;
}

/** Whether all went as it must. */
export function isWell({ seen, seconds, agreementRate }: MergeCyclesResult): boolean {
  const all = seen.every(({ agreed, caughtUp, asExpected }) => agreed && caughtUp && asExpected);
  return seen.length > 0 && all && agreementRate === 1 && seconds.max <= seconds.deadline;
}

/** Plays the cycles with complete validators on one chain, in a folder, and looks into their ledgers. */
export async function runMergeCycles(
  root: string,
  options: MergeCyclesOptions,
  stack: AsyncDisposableStack,
  write: (line: string) => void,
): Promise<MergeCyclesResult> {
  const logger = createMemoryLogger();
  const times: number[] = [];
  const onLine = (_: string, line: string) => {
    const seconds = /Inter-validator merging complete.* seconds: ([\d.]+)/.exec(line)?.[1];
    if (seconds !== undefined) times.push(Number(seconds));
  };
  const stage = await openMergeStage({ root, ...options, onLine, write }, { logger, stack });
  const ledgers = new Map<LocalValidator, Ledger>();
  for (const validator of stage.subnet.validators) {
    const ledger = await Ledger.openReadOnly({ path: validator.ledgerPath });
    stack.defer(() => ledger.stop());
    ledgers.set(validator, ledger);
  }
  return await play({ stage, ledgers, options, write, times });
}

interface Game {
  readonly stage: MergeStage;
  readonly ledgers: ReadonlyMap<LocalValidator, Ledger>;
  readonly options: MergeCyclesOptions;
  readonly write: (line: string) => void;
  /** Seconds of merges that were published. */
  readonly times: readonly number[];
}

async function play(game: Game): Promise<MergeCyclesResult> {
  const { stage, options, write, times } = game;
  const { chain, subnet } = stage;
  await subnet.run();
  const troubles = options.troubles.map(troubleNamed);
  const plan: (Trouble | null)[] = [...Array.from({ length: options.honestCycles }, () => null), ...troubles];
  const length = cycleLength(NETWORK.schedule);
  const { cycle: from } = phaseAt(chain.head().number, NETWORK.schedule);
  const all: MergedCycle[] = [];
  const excluded: Excluded[] = [];
  const traffic: { readonly sent: number; readonly offered: number }[] = [];
  for (const [index, trouble] of plan.entries()) {
    const cycle = from + index;
    await blockReached(chain, phaseWindow(cycle, "merge", NETWORK.schedule).firstBlock, NEVER);
    const before = await bytesSentInMerges(subnet.validators);
    const seen = await playCycle(game, cycle, trouble);
    all.push(seen.merged);
    excluded.push(...seen.excluded);
    if (trouble === null) {
      const sent = (await bytesSentInMerges(subnet.validators)) - before;
      const layouts = subnet.validators.map(({ cache }) => new CheckpointLayout(cache));
      traffic.push({ sent, offered: await sizeOfOffer(layouts, cycle) });
    }
    write(`cycle ${index + 1}/${plan.length}, ${trouble?.kind ?? "all honest"}: ${lineOf(seen)}`);
    await blockReached(chain, (cycle + 1) * length, NEVER);
  }
  const seconds = [...times].sort((a, b) => a - b);
  const perMember = traffic.length * options.validators;
  return {
    cycles: all.length,
    agreed: all.filter(({ agreed }) => agreed).length,
    agreementRate: await lowestRate(subnet.validators.slice(0, troubles.length > 0 ? -1 : undefined)),
    seen: all,
    excluded,
    seconds: {
      median: seconds[Math.floor((seconds.length - 1) / 2)] ?? Number.NaN,
      max: seconds.at(-1) ?? Number.NaN,
      deadline: NETWORK.merge.timeoutSeconds ?? Number.NaN,
    },
    bytesPerMember: Math.round(traffic.reduce((sum, { sent }) => sum + sent, 0) / perMember),
    groupBytes: Math.round(traffic.reduce((sum, { offered }) => sum + offered, 0) / perMember),
  };
}

async function lowestRate(validators: readonly LocalValidator[]): Promise<number> {
  const shown = await Promise.all(
    validators.map(async ({ evaluatorAdminUrl }) => await new ValidatorWatch(evaluatorAdminUrl).series()),
  );
  return Math.min(...shown.map((series) => series?.["consensus/agreement_rate"] ?? Number.NaN));
}

interface SeenCycle {
  readonly merged: MergedCycle;
  readonly excluded: readonly Excluded[];
}

async function playCycle(game: Game, cycle: number, trouble: Trouble | null): Promise<SeenCycle> {
  const { stage, ledgers } = game;
  const { validators } = stage.subnet;
  const peer = validators.length - 1;
  const troubled = trouble === null ? null : (validators[peer] as LocalValidator);
  if (trouble !== null && troubled !== null) {
    const line = stage.lines[peer];
    if (line === undefined) throw new RangeError(`There is no line to validator ${peer}`);
    await trouble.play({ stage, cycle, peer: troubled, line, signal: NEVER });
  }
  const { lastBlock } = phaseWindow(cycle, "merge", NETWORK.schedule);
  await blockReached(stage.chain, lastBlock + SETTLING_BLOCKS, NEVER);
  const ends = await Promise.all(
    validators.map(async (each) => (await (ledgers.get(each) as Ledger).mergeEnds.get(cycle)) ?? null),
  );
  const honest = ends.filter((_, index) => validators[index] !== troubled);
  const version = honest[0]?.agreed?.version;
  const agreed = version !== undefined && honest.every((end) => isPublished(end, version));
  const excluded = (honest[0]?.leftOut ?? []).map(({ reason }) => ({ cycle, peer, reason }));
  const synced = ends.filter((end) => end !== null && isPublished(end, version ?? "")).length;
  const asExpected = excluded.every(({ reason }) => trouble?.reason?.includes(reason) ?? trouble?.kind === "killed");
  const isMissing = trouble !== null && trouble.reason !== null && excluded.length === 0;
  const caughtUp = await haveCaughtUp(game, cycle, version);
  return {
    merged: { cycle, trouble: trouble?.kind ?? null, agreed, synced, caughtUp, asExpected: asExpected && !isMissing },
    excluded,
  };
}

function isPublished(end: MergeEndRecord | null, version: string): boolean {
  return end?.result === "published" && end.agreed?.version === version;
}

/** Whether all have the cycle's version as their current one before the next round is planned on it. */
async function haveCaughtUp({ stage }: Game, cycle: number, version: string | undefined): Promise<boolean> {
  if (version === undefined) return false;
  const { firstBlock } = phaseWindow(cycle + 1, "submission", NETWORK.schedule);
  for (;;) {
    const current = await Promise.all(stage.subnet.validators.map((each) => currentDigest(each)));
    if (current.every((digest) => digest === version)) return true;
    const { number } = stage.chain.head();
    if (number >= firstBlock - 1) return false;
    await blockReached(stage.chain, number + 1, NEVER);
  }
}

async function currentDigest({ cache }: LocalValidator): Promise<string> {
  const text = await readFile(new CheckpointLayout(cache).current, "utf8");
  return (JSON.parse(text) as { readonly digest: string }).digest;
}

function troubleNamed(kind: string): Trouble {
  const trouble = TROUBLES.find((each) => each.kind === kind);
  if (trouble === undefined) throw new RangeError(`There is no trouble of the kind ${kind}`);
  return trouble;
}

function lineOf({ merged: { agreed, synced, caughtUp, asExpected }, excluded }: SeenCycle): string {
  const out = excluded.map(({ reason }) => `one left out (${reason})`).join(", ");
  return [
    agreed ? "agreed" : "NOT AGREED",
    `${synced} synced`,
    ...(out === "" ? [] : [out]),
    ...(asExpected ? [] : ["NOT AS EXPECTED"]),
    caughtUp ? "all have it" : "NOT ALL HAVE IT",
  ].join(", ");
}

/** Blocks after the merge's phase in which a process notes what it came to. */
const SETTLING_BLOCKS = 4;
const NEVER = new AbortController().signal;

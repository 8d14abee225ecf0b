import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { median } from "../../server/figures.ts";
import { memoryOf } from "../../server/watch.ts";
import type { MergeBenchOptions } from "../options.ts";
import { type CopyTime, type MeasuredRound, measureRound } from "./measure.ts";
import type { MergePhases } from "./member.ts";
import { MemoryWatch, type PeakMethod } from "./resident-memory.ts";
import { MergeStage } from "./stage.ts";
import { startValidator, type Validator } from "./validators.ts";

/** Times in seconds, medians over the rounds; memory in MiB, the most of all rounds. */
export interface MergeSizeResult {
  readonly groupBytes: number;
  readonly members: number;
  /** Measured, after a first one. */
  readonly rounds: number;
  /**
   * In no median: what runs first pays for memory that nobody has used before, and after its start a validator hashes
   * the base's momentum.
   */
  readonly first: { readonly mergeSeconds: number; readonly copySeconds: number };
  readonly merge: {
    readonly seconds: number;
    /** How long processors worked for all of its processes. */
    readonly processorSeconds: number;
    /** What each fetched; it served about as much. */
    readonly bytesPerMember: number;
    /** Of the slowest in each. What lies before the merge is not part of its time. */
    readonly phases: MergePhases & { readonly gradientsBefore: number };
    readonly memory: MergeMemory;
  };
  readonly copy: CopyTime;
  readonly copyWithHash: CopyTime;
  /** Medians of the merge's time by the copy's of the same round. */
  readonly ratio: number;
  readonly ratioWritten: number;
  readonly ratioWithHash: number;
  /** Of the processors' time: what is left of the ratio when others use the machine too. */
  readonly ratioOfProcessors: number;
}

/** Per process, in the validators' order. */
export interface MergeMemory {
  readonly evaluator: readonly {
    readonly idle: number;
    readonly gradientsAbove: number;
    readonly mergeAbove: number;
  }[];
  readonly server: readonly { readonly idle: number; readonly mergeAbove: number }[];
  readonly method: PeakMethod;
}

const VALIDATORS = 3;
const FIRST_CYCLE = 3;
const SETTLE_MILLIS = 2_000;
const MIB = 2 ** 20;

/** Times merges of one group, and copies of as many bytes, in a folder that the caller removes. */
export async function runMergeSize(
  directory: string,
  options: MergeBenchOptions,
  stack: AsyncDisposableStack,
  write: (line: string) => void,
): Promise<MergeSizeResult> {
  write(`Writing a model of ${options.groupBytes / MIB} MiB, and a submission to each of ${VALIDATORS} validators`);
  const stage = await MergeStage.prepare(directory, options.groupBytes, VALIDATORS);
  stack.defer(() => stage.stop());
  const { groupBytes } = stage;
  const validators: Validator[] = [];
  for (const member of stage.members) validators.push(await startValidator(member, stack));
  await setTimeout(SETTLE_MILLIS);
  const pids = [
    ...validators.map(({ evaluator }) => evaluator.pid ?? 0),
    ...validators.map(({ server }) => server.pid),
  ];
  const idle = pids.map(memoryOf);
  const memory = new MemoryWatch(pids);
  stack.defer(() => memory.stop());
  const filler = join(directory, "filler");
  const rounds: MeasuredRound[] = [];
  for (let round = 0; round <= options.rounds; round += 1) {
    const { timeoutMillis } = options;
    const turn = { cycle: FIRST_CYCLE + round, timeoutMillis, copiesFirst: round % 2 === 1, filler };
    const result = await measureRound({ validators, groupBytes, memory, ...turn });
    write(`${round === 0 ? "First, not measured" : `Round ${round}`}: ${describe(result, idle)}`);
    rounds.push(result);
  }
  return { groupBytes, members: VALIDATORS, rounds: options.rounds, ...summary(rounds, idle, memory.method) };
}

type Summary = Omit<MergeSizeResult, "groupBytes" | "members" | "rounds">;

function summary(rounds: readonly MeasuredRound[], idle: readonly number[], method: PeakMethod): Summary {
  const [first, ...measured] = rounds as [MeasuredRound, ...MeasuredRound[]];
  const middle = (of: (round: MeasuredRound) => number): number => median(measured.map(of)) ?? 0;
  const copyTime = (of: (round: MeasuredRound) => CopyTime): CopyTime => ({
    seconds: middle((round) => of(round).seconds),
    writtenSeconds: middle((round) => of(round).writtenSeconds),
    processorSeconds: middle((round) => of(round).processorSeconds),
  });
  return {
    first: { mergeSeconds: first.mergeSeconds, copySeconds: first.copy.seconds },
    merge: {
      seconds: middle(({ mergeSeconds }) => mergeSeconds),
      processorSeconds: middle(({ mergeProcessorSeconds }) => mergeProcessorSeconds),
      bytesPerMember: Math.max(...measured.map(({ bytesPerMember }) => bytesPerMember)),
      phases: {
        gradientsBefore: middle(({ gradientsSeconds }) => gradientsSeconds),
        reduce: middle(({ phases }) => phases.reduce),
        gather: middle(({ phases }) => phases.gather),
        step: middle(({ phases }) => phases.step),
        version: middle(({ phases }) => phases.version),
        agree: middle(({ phases }) => phases.agree),
      },
      memory: { ...memoryOfAll(rounds, idle), method },
    },
    copy: copyTime(({ copy }) => copy),
    copyWithHash: copyTime(({ copyWithHash }) => copyWithHash),
    ratio: middle(({ mergeSeconds, copy }) => mergeSeconds / copy.seconds),
    ratioWritten: middle(({ mergeSeconds, copy }) => mergeSeconds / copy.writtenSeconds),
    ratioWithHash: middle(({ mergeSeconds, copyWithHash }) => mergeSeconds / copyWithHash.seconds),
    ratioOfProcessors: middle(({ mergeProcessorSeconds, copy }) => mergeProcessorSeconds / copy.processorSeconds),
  };
}

/** Evaluators come first among the watched, then the servers. */
function memoryOfAll(rounds: readonly MeasuredRound[], idle: readonly number[]): Omit<MergeMemory, "method"> {
  const above = (peaks: (round: MeasuredRound) => readonly number[], index: number): number =>
    Math.max(...rounds.map((round) => peaks(round)[index] ?? 0)) - (idle[index] ?? 0);
  const watched = idle.map((mib, index) => ({
    idle: mib,
    gradientsAbove: above(({ gradientsPeaks }) => gradientsPeaks, index),
    mergeAbove: above(({ mergePeaks }) => mergePeaks, index),
  }));
  return {
    evaluator: watched.slice(0, VALIDATORS),
    server: watched.slice(VALIDATORS).map(({ gradientsAbove: _, ...rest }) => rest),
  };
}

function describe(round: MeasuredRound, idle: readonly number[]): string {
  const { mergeSeconds, mergeProcessorSeconds, phases, copy, copyWithHash, mergePeaks } = round;
  const parts = Object.entries(phases).map(([name, seconds]) => `${name} ${seconds.toFixed(1)}`);
  const above = mergePeaks.map((peak, index) => (peak - (idle[index] ?? 0)).toFixed(0));
  const copied = ({ seconds, writtenSeconds, processorSeconds }: CopyTime) =>
    `${seconds.toFixed(1)} s (${writtenSeconds.toFixed(1)} s unsynced, processors ${processorSeconds.toFixed(1)} s)`;
  return [
    `merge ${mergeSeconds.toFixed(1)} s (${parts.join(", ")}; processors ${mergeProcessorSeconds.toFixed(1)} s)`,
    `copy ${copied(copy)}`,
    `with SHA-256 ${copied(copyWithHash)}`,
    `memory +${above.join(" +")} MiB`,
  ].join("; ");
}

import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineOptions } from "@assay/evaluation/engine/engine";
import type { EvaluationRequest } from "@assay/evaluation/evaluator";
import { ChildProcess } from "@assay/runtime/child/child-process";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import type { BenchOptions } from "./options.ts";
import { bareForward, type Contender, ourEngine } from "./ours.ts";
import { WORKLOADS } from "./sizes.ts";
import { prepareStage, type Stage } from "./stage.ts";
import { TorchProcess, type TorchWay } from "./torch-process.ts";
import type { WorkerReply, WorkerRequest } from "./worker.ts";

export interface BenchResult {
  readonly size: string;
  readonly params: number;
  readonly checkpointBytes: number;
  readonly perMinerMs: Times;
  readonly perMinerCpuMs: Times;
  /** Medians of the ratios of each miner's own times. */
  readonly ratios: Ratios;
  readonly cpuRatios: Ratios;
  readonly maxLossDifference: number | null;
  readonly rssMiB: { readonly base: number; readonly peak: number; readonly afterN: number };
  /** Largest memory above the resident base in units of one submission's file. */
  readonly peakOverCheckpoint: number;
  /** How far another number of threads, smaller runs and a streamed base move the loss. */
  readonly band: { readonly threads: number; readonly runs: number; readonly streamed: number };
  readonly minersPerSecond: { readonly oneProcess: number; readonly twoProcesses: number };
  readonly miners: number;
  readonly machine: { readonly processor: string; readonly cores: number; readonly node: string };
  readonly torch: { readonly version: string; readonly sgemmGflops: number; readonly inPlaceWay: TorchWay } | string;
}

interface Times {
  readonly ours: number;
  readonly bareForward: number;
  readonly torchReference: number | null;
  readonly torchInPlace: number | null;
}

interface Ratios {
  readonly overBareForward: number;
  readonly referenceOverOurs: number | null;
  readonly inPlaceOverOurs: number | null;
}

interface Sample {
  readonly ms: number;
  readonly cpuMs: number;
  readonly loss: number;
}

/** One miner measured in every way. */
interface Row {
  readonly ours: Sample;
  readonly bare: Sample;
  readonly reference: Sample | null;
  readonly inPlace: Sample | null;
}

const NEVER = new AbortController().signal;
const WORKER_DEADLINE_MILLIS = 3_600_000;

/** Everything in one folder that is gone afterwards. */
export async function runBench({ size, miners }: BenchOptions, write: (line: string) => void): Promise<BenchResult> {
  const directory = await mkdtemp(join(tmpdir(), "assay-bench-"));
  try {
    write(`Writing a ${size} model and submissions`);
    const stage = await prepareStage(directory, WORKLOADS[size], miners);
    const rssMiB = await measureMemory(stage, miners, write);
    const minersPerSecond = await measureThroughput(stage, miners, write);
    const band = await measureBand(stage, write);
    const comparison = await compare(stage, miners, write);
    return { size, ...comparison, ...summaryOf(stage, miners, rssMiB), minersPerSecond, band };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function summaryOf(stage: Stage, miners: number, { base, peak, after }: WorkerReply["rssMiB"]) {
  const { params, checkpointBytes } = stage;
  return {
    params,
    checkpointBytes,
    rssMiB: { base, peak, afterN: after },
    peakOverCheckpoint: (peak - base) / (checkpointBytes / 2 ** 20),
    miners,
    machine: { processor: cpus()[0]?.model ?? "", cores: cpus().length, node: process.version },
  };
}

async function measureMemory(
  stage: Stage,
  miners: number,
  write: (line: string) => void,
): Promise<WorkerReply["rssMiB"]> {
  write(`Measuring the memory of ${miners} miners in a process of their own`);
  return await withWorkers(1, async ([worker]) => {
    if (worker === undefined) throw new Error("There is no process");
    await worker({ stage, miners: 0 });
    return (await worker({ stage, miners })).rssMiB;
  });
}

async function measureThroughput(
  stage: Stage,
  miners: number,
  write: (line: string) => void,
): Promise<BenchResult["minersPerSecond"]> {
  const perSecond = async (count: number): Promise<number> => {
    write(`Measuring ${miners} miners with ${count === 1 ? "one process" : "two processes"}`);
    return await withWorkers(count, async (workers) => {
      await Promise.all(workers.map((worker) => worker({ stage, miners: 0 })));
      const started = performance.now();
      await Promise.all(workers.map((worker) => worker({ stage, miners })));
      return (count * miners * 1000) / (performance.now() - started);
    });
  };
  return { oneProcess: await perSecond(1), twoProcesses: await perSecond(2) };
}

async function measureBand(stage: Stage, write: (line: string) => void): Promise<BenchResult["band"]> {
  write("Measuring one miner with two threads, in smaller runs and with a streamed base");
  const lossOf = async (change: Partial<EngineOptions>): Promise<number> => {
    const { measure, release } = ourEngine(stage, change);
    const loss = await measure(stage.submissions[0] ?? null);
    await release();
    return loss;
  };
  const usual = await lossOf({});
  return {
    threads: Math.abs((await lossOf({ threads: 2 })) - usual),
    runs: Math.abs((await lossOf({ rowsPerRun: stage.workload.sequenceLength })) - usual),
    streamed: Math.abs((await lossOf({ baseMemoryBytes: 0 })) - usual),
  };
}

type Ask = (request: WorkerRequest) => Promise<WorkerReply>;

async function withWorkers<T>(count: number, use: (workers: readonly Ask[]) => Promise<T>): Promise<T> {
  const logger = createMemoryLogger();
  const module = new URL("./worker.ts", import.meta.url);
  const children = Array.from(
    { length: count },
    () => new ChildProcess<WorkerRequest, WorkerReply>({ logger }, { name: "bench", module }),
  );
  try {
    await Promise.all(children.map((child) => child.start(NEVER)));
    return await use(
      children.map(
        (child) => (request) => child.request(request, { deadlineMs: WORKER_DEADLINE_MILLIS, signal: NEVER }),
      ),
    );
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

async function compare(stage: Stage, miners: number, write: (line: string) => void) {
  const ours = ourEngine(stage);
  const bare = await bareForward(stage);
  const torch = await TorchProcess.start(stage);
  if (typeof torch === "string") write(`Without PyTorch: ${torch}`);
  const process = typeof torch === "string" ? null : torch;
  try {
    const inPlaceWay = process === null ? "in_place" : await fasterInPlace(process, stage);
    const rows: Row[] = [];
    await ours.measure(null);
    // The first of each warms caches and is not counted.
    for (let miner = -1; miner < miners; miner += 1) {
      const submission = stage.submissions[Math.max(0, miner) % stage.submissions.length];
      if (submission === undefined) continue;
      const row = await measureRow({ ours: ours.measure, bare, torch: process, inPlaceWay }, submission, miner);
      if (miner >= 0) rows.push(row);
      if (miner >= 0) write(`Miner ${miner + 1} of ${miners}: ${describe(row)}`);
    }
    return { ...statisticsOf(rows), torch: describeTorch(torch, inPlaceWay) };
  } finally {
    process?.stop();
    await ours.release();
  }
}

/** Plain PyTorch may run all batches as one, as we do: it is given whichever is faster here. */
async function fasterInPlace(torch: TorchProcess, { submissions }: Stage): Promise<TorchWay> {
  const path = submissions[0]?.path ?? "";
  const best = async (way: TorchWay): Promise<number> => {
    const times: number[] = [];
    for (let round = 0; round < 3; round += 1) times.push((await torch.measure(way, path)).cpuMs);
    return Math.min(...times);
  };
  return (await best("in_place_joined")) < (await best("in_place")) ? "in_place_joined" : "in_place";
}

interface Contenders {
  readonly ours: Contender;
  readonly bare: Contender;
  readonly torch: TorchProcess | null;
  readonly inPlaceWay: TorchWay;
}

/** Whoever begins changes from miner to miner. */
async function measureRow(
  { ours, bare, torch, inPlaceWay }: Contenders,
  submission: EvaluationRequest["submission"],
  miner: number,
): Promise<Row> {
  const { path } = submission;
  const ways: readonly (readonly [keyof Row, () => Promise<Sample | null>])[] = [
    ["ours", () => sample(() => ours(submission))],
    ["bare", () => sample(() => bare(submission))],
    ["reference", async () => (torch === null ? null : await torch.measure("reference", path))],
    ["inPlace", async () => (torch === null ? null : await torch.measure(inPlaceWay, path))],
  ];
  const samples = new Map<keyof Row, Sample | null>();
  for (let turn = 0; turn < ways.length; turn += 1) {
    const [name, measure] = ways[(turn + miner + ways.length) % ways.length] as (typeof ways)[number];
    samples.set(name, await measure());
  }
  const [own, bareSample] = [samples.get("ours"), samples.get("bare")];
  if (!own || !bareSample) throw new Error("A way to measure gave nothing");
  return {
    ours: own,
    bare: bareSample,
    reference: samples.get("reference") ?? null,
    inPlace: samples.get("inPlace") ?? null,
  };
}

async function sample(measure: () => Promise<number>): Promise<Sample> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  const loss = await measure();
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - started, cpuMs: (user + system) / 1000, loss };
}

function statisticsOf(rows: readonly Row[]) {
  const times = (unit: "ms" | "cpuMs"): Times => ({
    ours: median(rows.map(({ ours }) => ours[unit])) ?? Number.NaN,
    bareForward: median(rows.map(({ bare }) => bare[unit])) ?? Number.NaN,
    torchReference: median(rows.map(({ reference }) => reference?.[unit])),
    torchInPlace: median(rows.map(({ inPlace }) => inPlace?.[unit])),
  });
  const ratios = (unit: "ms" | "cpuMs"): Ratios => ({
    overBareForward: median(rows.map(({ ours, bare }) => ours[unit] / bare[unit])) ?? Number.NaN,
    referenceOverOurs: median(rows.map(({ ours, reference }) => reference && reference[unit] / ours[unit])),
    inPlaceOverOurs: median(rows.map(({ ours, inPlace }) => inPlace && inPlace[unit] / ours[unit])),
  });
  const differences = rows.flatMap(({ ours, reference, inPlace }) =>
    [reference, inPlace].flatMap((torch) => (torch === null ? [] : [Math.abs(torch.loss - ours.loss)])),
  );
  return {
    perMinerMs: times("ms"),
    perMinerCpuMs: times("cpuMs"),
    ratios: ratios("ms"),
    cpuRatios: ratios("cpuMs"),
    maxLossDifference: differences.length === 0 ? null : Math.max(...differences),
  };
}

function median(values: readonly (number | null | undefined)[]): number | null {
  const sorted = values.filter((value) => value != null).sort((left, right) => left - right);
  if (sorted.length === 0) return null;
  const middle = sorted.length / 2;
  const at = (index: number) => sorted[index] ?? Number.NaN;
  return Number.isInteger(middle) ? (at(middle - 1) + at(middle)) / 2 : at(Math.floor(middle));
}

function describe({ ours, bare, reference, inPlace }: Row): string {
  const millis = (name: string, value: Sample | null) => (value === null ? [] : [`${name} ${value.ms.toFixed(0)} ms`]);
  return [
    ...millis("ours", ours),
    ...millis("bare forward", bare),
    ...millis("PyTorch", reference),
    ...millis("PyTorch in place", inPlace),
  ].join(", ");
}

function describeTorch(torch: TorchProcess | string, inPlaceWay: TorchWay): BenchResult["torch"] {
  if (typeof torch === "string") return torch;
  const { torch: version, sgemmGflops } = torch.greeting;
  return { version, sgemmGflops, inPlaceWay };
}

import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { ChildProcess } from "@assay/runtime/child/child-process";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import { type Contender, startFastApi, startNginx, startOurs } from "./contenders.ts";
import type { LoadReply, LoadRequest } from "./load.ts";
import type { ServerBenchOptions } from "./options.ts";
import { prepareServerStage, writeServerView } from "./stage.ts";

/** Rates in MiB/s, medians over the rounds. */
export interface ServerBenchResult {
  readonly download: readonly DownloadRow[];
  /** Uploads are not measured. */
  readonly upload: readonly never[];
  /** Of the model server's process. */
  readonly rssMiB: { readonly idle: number; readonly peakDownload: number; readonly peakUpload: null };
  /** Of `GET /health` while the most clients download; null when nothing answered in that time. */
  readonly healthP99Ms: number | null;
  readonly bytes: number;
  readonly machine: { readonly processor: string; readonly cores: number; readonly node: string };
  /** Why a contender is missing. */
  readonly absent: Readonly<Record<string, string>>;
}

export interface DownloadRow {
  readonly clients: number;
  readonly ours: number;
  readonly nginx: number | null;
  readonly fastapi: number | null;
  /** Median over the rounds of ours by nginx in the same round. */
  readonly ratio: number | null;
}

const MIB = 2 ** 20;
const NEVER = new AbortController().signal;
/** Well within the age that the server allows. */
const VIEW_MILLIS = 1_000;

type Name = "ours" | "nginx" | "fastapi";
interface Contenders {
  readonly ours: Contender;
  readonly nginx: Contender | string;
  /** A new process for each measurement. */
  readonly startFastApi: () => Promise<Contender | string>;
}

/** Everything in one folder that is gone afterwards. */
export async function runServerBench(
  options: ServerBenchOptions,
  write: (line: string) => void,
): Promise<ServerBenchResult> {
  const directory = await mkdtemp(join(tmpdir(), "assay-bench-server-"));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  try {
    write(`Writing a model of ${options.bytes / MIB} MiB and importing it`);
    const stage = await prepareServerStage(directory, options.bytes);
    const viewing = setInterval(() => void writeServerView(stage.layout), VIEW_MILLIS);
    stack.defer(() => clearInterval(viewing));
    const load = new ChildProcess<LoadRequest, LoadReply>(
      { logger: createMemoryLogger() },
      { name: "load", module: new URL("./load.ts", import.meta.url) },
    );
    stack.defer(() => load.stop());
    await load.start(NEVER);
    const start = async (starting: Promise<Contender | string>): Promise<Contender | string> => {
      const contender = await starting;
      if (typeof contender === "string") write(`Skipped: ${contender}`);
      else stack.defer(() => contender.stop());
      return contender;
    };
    const ours = (await start(startOurs(stage))) as Contender;
    const contenders = { ours, nginx: await start(startNginx(stage)), startFastApi: () => startFastApi(stage) };
    return await measureAll(options, contenders, load, write);
  } finally {
    await stack.disposeAsync();
  }
}

async function measureAll(
  { bytes, clients, seconds, rounds }: ServerBenchOptions,
  contenders: Contenders,
  load: ChildProcess<LoadRequest, LoadReply>,
  write: (line: string) => void,
): Promise<ServerBenchResult> {
  const { ours, nginx } = contenders;
  const absent: Record<string, string> = typeof nginx === "string" ? { nginx } : {};
  await untilHashed(ours);
  const memory = { idle: memoryOf(ours.pid), peak: 0 };
  const health: number[] = [];
  const most = Math.max(...clients);
  const measure = async (name: Name, count: number): Promise<number | null> => {
    const contender = name === "fastapi" ? await contenders.startFastApi() : contenders[name];
    if (typeof contender === "string") {
      if (absent[name] === undefined) write(`Skipped: ${contender}`);
      absent[name] = contender;
      return null;
    }
    const { port, path, headers } = contender;
    const running = load.request(
      { port, path, headers, clients: count, seconds },
      { deadlineMs: (seconds + 60) * 1000, signal: NEVER },
    );
    const watched = name === "ours" ? watch(ours, running, count === most ? health : []) : null;
    const reply = await running.finally(() => (name === "fastapi" ? contender.stop() : undefined));
    memory.peak = Math.max(memory.peak, (await watched) ?? 0);
    return reply.bytes / MIB / reply.seconds;
  };
  const download: DownloadRow[] = [];
  for (const count of clients) {
    const turns: Record<Name, number | null>[] = [];
    for (let round = 0; round < rounds; round += 1) {
      // Whoever begins changes from round to round.
      const turn: Record<Name, number | null> = { ours: null, nginx: null, fastapi: null };
      const names: readonly Name[] = ["ours", "nginx", "fastapi"];
      for (let next = 0; next < names.length; next += 1) {
        const name = names[(next + round) % names.length] ?? "ours";
        turn[name] = await measure(name, count);
      }
      turns.push(turn);
      write(`${count} clients, round ${round + 1}: ${describe(turn)}`);
    }
    download.push(rowOf(count, turns));
  }
  return {
    download,
    upload: [],
    rssMiB: { idle: memory.idle, peakDownload: memory.peak, peakUpload: null },
    healthP99Ms: percentile(health, 0.99),
    bytes,
    machine: { processor: cpus()[0]?.model ?? "", cores: cpus().length, node: process.version },
    absent,
  };
}

/** A large model's chunks are hashed at the speed of the disk. */
const HASHED_WITHIN_MS = 300_000;

/** Afterwards the server does nothing but serve. */
async function untilHashed({ port, headers }: Contender): Promise<void> {
  const deadline = AbortSignal.timeout(HASHED_WITHIN_MS);
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/model/manifest`, { headers, signal: deadline });
    await response.arrayBuffer();
    if (response.status === 200) return;
    if (response.status !== 503) throw new Error(`The model server answers ${response.status}`);
    await setTimeout(200, undefined, { signal: deadline });
  }
}

/**
 * Asks for health, again and again, while a load is running.
 *
 * @returns the server's largest memory in MiB.
 */
async function watch({ port, pid }: Contender, running: Promise<unknown>, health: number[]): Promise<number> {
  let isRunning = true;
  const over = running.finally(() => {
    isRunning = false;
  });
  over.catch(() => undefined);
  let peak = 0;
  while (isRunning) {
    const started = performance.now();
    await (await fetch(`http://127.0.0.1:${port}/health`)).arrayBuffer();
    health.push(performance.now() - started);
    peak = Math.max(peak, memoryOf(pid));
    await setTimeout(10);
  }
  return peak;
}

/** Resident memory of a process in MiB. */
function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

function rowOf(clients: number, turns: readonly Readonly<Record<Name, number | null>>[]): DownloadRow {
  const medianOf = (name: Name) => percentile(known(turns.map((turn) => turn[name])), 0.5);
  const ratios = turns.map(({ ours, nginx }) => (ours === null || nginx === null ? null : ours / nginx));
  return {
    clients,
    ours: medianOf("ours") ?? 0,
    nginx: medianOf("nginx"),
    fastapi: medianOf("fastapi"),
    ratio: percentile(known(ratios), 0.5),
  };
}

function known(values: readonly (number | null)[]): readonly number[] {
  return values.filter((value) => value !== null);
}

/** The smallest value that this share of all does not exceed. */
function percentile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

function describe(turn: Readonly<Record<Name, number | null>>): string {
  return Object.entries(turn)
    .map(([name, rate]) => `${name} ${rate === null ? "-" : `${rate.toFixed(0)} MiB/s`}`)
    .join(", ");
}

import type { ChildProcess } from "@assay/runtime/child/child-process";
import type { Contender } from "./contenders.ts";
import { median } from "./figures.ts";
import type { LoadReply, LoadRequest } from "./load.ts";
import type { ServerBenchOptions } from "./options.ts";
import { watchWhile } from "./watch.ts";

export interface DownloadRow {
  readonly clients: number;
  readonly ours: number;
  readonly nginx: number | null;
  readonly fastapi: number | null;
  /** Median over the rounds of ours by nginx in the same round. */
  readonly ratio: number | null;
  /** Of our server behind nginx, which hands the sending over. */
  readonly offload: number | null;
  /** Median over the rounds of that by nginx alone in the same round. */
  readonly offloadRatio: number | null;
}

export interface Downloads {
  readonly rows: readonly DownloadRow[];
  /** The model server's largest memory in MiB; null without a measurement. */
  readonly peakMiB: number | null;
  /** How long each `GET /health` took while the most clients downloaded from the model server. */
  readonly healthMillis: readonly number[];
  /** Why a contender is missing. */
  readonly absent: Readonly<Record<string, string>>;
}

export interface DownloadComponents {
  readonly ours: Contender;
  readonly nginx: Contender | string;
  readonly offload: Contender | string;
  /** A new process for each measurement. */
  readonly startFastApi: () => Promise<Contender | string>;
  readonly load: ChildProcess<LoadRequest, LoadReply>;
  readonly write: (line: string) => void;
}

const MIB = 2 ** 20;
const NEVER = new AbortController().signal;
const NAMES = ["ours", "nginx", "offload", "fastapi"] as const;
type Name = (typeof NAMES)[number];
type Turn = Readonly<Record<Name, number | null>>;

/** Everybody downloads in turns; whoever begins changes from round to round. */
export async function measureDownloads(
  components: DownloadComponents,
  { clients, seconds, rounds }: ServerBenchOptions,
): Promise<Downloads> {
  const measured = { peaks: [] as number[], health: [] as number[], absent: {} as Record<string, string> };
  const rows: DownloadRow[] = [];
  for (const count of clients) {
    const health = count === Math.max(...clients) ? measured.health : [];
    const turns: Turn[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const turn: Record<Name, number | null> = { ours: null, nginx: null, offload: null, fastapi: null };
      for (const name of [...NAMES.slice(round % NAMES.length), ...NAMES.slice(0, round % NAMES.length)]) {
        turn[name] = await measureOne(components, name, { clients: count, seconds }, { ...measured, health });
      }
      turns.push(turn);
      components.write(`${count} downloads, round ${round + 1}: ${describe(turn)}`);
    }
    rows.push(rowOf(count, turns));
  }
  const { peaks, health, absent } = measured;
  return { rows, peakMiB: peaks.length === 0 ? null : Math.max(...peaks), healthMillis: health, absent };
}

interface Measured {
  readonly peaks: number[];
  readonly health: number[];
  readonly absent: Record<string, string>;
}

/** @returns MiB/s; null without the contender, which is reported once. */
async function measureOne(
  components: DownloadComponents,
  name: Name,
  asked: Pick<LoadRequest, "clients" | "seconds">,
  { peaks, health, absent }: Measured,
): Promise<number | null> {
  const contender = name === "fastapi" ? await components.startFastApi() : components[name];
  if (typeof contender === "string") {
    if (absent[name] === undefined) components.write(`Skipped: ${contender}`);
    absent[name] = contender;
    return null;
  }
  const running = download(components, contender, asked);
  if (name === "ours") {
    const { peakMiB, healthMillis } = await watchWhile(contender, running);
    peaks.push(peakMiB);
    health.push(...healthMillis);
  }
  return await running.finally(() => (name === "fastapi" ? contender.stop() : undefined));
}

/** @returns MiB/s of bodies, whole or not. */
async function download(
  { load }: DownloadComponents,
  { port, path, headers }: Contender,
  { clients, seconds }: Pick<LoadRequest, "clients" | "seconds">,
): Promise<number> {
  const waiting = { deadlineMs: (seconds + 60) * 1000, signal: NEVER };
  const reply = await load.request({ port, path, headers, clients, seconds }, waiting);
  return reply.bytes / MIB / reply.seconds;
}

function rowOf(clients: number, turns: readonly Turn[]): DownloadRow {
  const medianOf = (name: Name) => median(known(turns.map((turn) => turn[name])));
  const ratioOf = (name: Name) => median(known(turns.map((turn) => quotient(turn[name], turn.nginx))));
  return {
    clients,
    ours: medianOf("ours") ?? 0,
    nginx: medianOf("nginx"),
    fastapi: medianOf("fastapi"),
    ratio: ratioOf("ours"),
    offload: medianOf("offload"),
    offloadRatio: ratioOf("offload"),
  };
}

function quotient(value: number | null, by: number | null): number | null {
  return value === null || by === null ? null : value / by;
}

function known(values: readonly (number | null)[]): readonly number[] {
  return values.filter((value) => value !== null);
}

function describe(turn: Turn): string {
  return NAMES.map((name) => `${name} ${turn[name] === null ? "-" : `${turn[name].toFixed(0)} MiB/s`}`).join(", ");
}

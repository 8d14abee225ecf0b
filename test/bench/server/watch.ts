import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { Contender } from "./contenders.ts";

export interface Watched {
  /** The server's largest resident memory. */
  readonly peakMiB: number;
  /** How long each `GET /health` took. */
  readonly healthMillis: readonly number[];
}

/** Looks at the model server, and asks it for its health, again and again while a load is running. */
export async function watchWhile({ port, pid }: Contender, running: Promise<unknown>): Promise<Watched> {
  let isRunning = true;
  const over = running.finally(() => {
    isRunning = false;
  });
  over.catch(() => undefined);
  const healthMillis: number[] = [];
  let peakMiB = 0;
  while (isRunning) {
    const started = performance.now();
    await (await fetch(`http://127.0.0.1:${port}/health`)).arrayBuffer();
    healthMillis.push(performance.now() - started);
    peakMiB = Math.max(peakMiB, memoryOf(pid));
    await setTimeout(50);
  }
  return { peakMiB, healthMillis };
}

/** Resident memory of a process in MiB. */
export function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

import { readFile } from "node:fs/promises";

const MIB = 1024 * 1024;
/** An allocation of a gigabyte takes about this long to be written to. */
const INTERVAL_MS = 100;

export interface MemoryWatchOptions {
  readonly pid: number;
  readonly limitMiB: number;
  /** Called once, with what was found. */
  readonly onExceeded: (residentMiB: number) => void;
}

/**
 * Watches another process's resident memory, which no flag of Node limits: tensors lie outside of the heap.
 *
 * Looks ten times a second, so a process may exceed its limit for a moment. Without a `/proc` nothing is watched.
 *
 * @returns stops watching.
 */
export function watchMemory({ pid, limitMiB, onExceeded }: MemoryWatchOptions): () => void {
  let watching = true;
  const stop = () => {
    watching = false;
    clearInterval(timer);
  };
  const look = async () => {
    const resident = await residentMiB(pid);
    if (!watching || resident === null || resident <= limitMiB) return;
    stop();
    onExceeded(Math.round(resident));
  };
  const timer = setInterval(() => void look(), INTERVAL_MS);
  timer.unref();
  return stop;
}

/** Null when the process is gone. */
async function residentMiB(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? null : (Number(kib) * 1024) / MIB;
}

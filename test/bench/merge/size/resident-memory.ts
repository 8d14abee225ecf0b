import { readFileSync, writeFileSync } from "node:fs";
import { memoryOf } from "../../server/watch.ts";

/** How a process's largest resident memory is found: the kernel keeps it, or it is looked at again and again. */
export type PeakMethod = "VmHWM" | "VmRSS";

const LOOK_MILLIS = 20;

/** Watches the resident memory of processes. */
export class MemoryWatch {
  readonly #pids: readonly number[];
  readonly #peaks = new Map<number, number>();
  #looking: NodeJS.Timeout | null = null;
  #method: PeakMethod = "VmHWM";

  constructor(pids: readonly number[]) {
    this.#pids = pids;
  }

  get method(): PeakMethod {
    return this.#method;
  }

  /** Forgets the peaks so far. */
  begin(): void {
    for (const pid of this.#pids) {
      this.#peaks.set(pid, memoryOf(pid));
      // The kernel sets the high-water mark back where that is allowed.
      try {
        writeFileSync(`/proc/${pid}/clear_refs`, "5");
      } catch {
        this.#method = "VmRSS";
      }
    }
    this.stop();
    this.#looking = setInterval(() => this.#look(), LOOK_MILLIS);
  }

  /** Largest resident memory of each since {@link begin}, in MiB. */
  end(): readonly number[] {
    this.stop();
    this.#look();
    return this.#pids.map((pid) => (this.#method === "VmHWM" ? highWaterMark(pid) : (this.#peaks.get(pid) ?? 0)));
  }

  stop(): void {
    clearInterval(this.#looking ?? undefined);
  }

  #look(): void {
    for (const pid of this.#pids) this.#peaks.set(pid, Math.max(this.#peaks.get(pid) ?? 0, memoryOf(pid)));
  }
}

function highWaterMark(pid: number): number {
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

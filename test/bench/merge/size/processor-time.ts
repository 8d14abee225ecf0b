import { readFileSync } from "node:fs";

/** Clock ticks per second in what Linux tells programs, on every machine. */
const TICKS_PER_SECOND = 100;

/** Seconds that processors have worked for these processes. */
export function processorSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + ticksOf(readFileSync(`/proc/${pid}/stat`, "utf8")), 0) / TICKS_PER_SECOND;
}

/** `utime` and `stime` of a line of `/proc/PID/stat`. The name before them may hold spaces and brackets. */
export function ticksOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

import { readFileSync, writeFileSync } from "node:fs";
import { serveRequests } from "@assay/runtime/child/serve-requests";
import { ourEngine } from "./ours.ts";
import type { Stage } from "./stage.ts";

/** What a process of its own is asked to do; the first request decides its model. */
export interface WorkerRequest {
  readonly stage: Stage;
  /** Submissions to measure; 0 only loads the model and measures the base. */
  readonly miners: number;
}

export interface WorkerReply {
  readonly millis: number;
  /** Of this process, in MiB: before, at most since then, and after. */
  readonly rssMiB: { readonly base: number; readonly peak: number; readonly after: number };
}

let engine: ReturnType<typeof ourEngine> | null = null;

serveRequests<WorkerRequest, WorkerReply>(async ({ stage, miners }) => {
  engine ??= ourEngine(stage);
  if (miners === 0) await engine.measure(null);
  const base = memory("VmRSS");
  // Begins the peak anew: https://www.kernel.org/doc/html/latest/filesystems/proc.html
  writeFileSync("/proc/self/clear_refs", "5");
  const started = performance.now();
  for (let miner = 0; miner < miners; miner += 1) {
    const submission = stage.submissions[miner % stage.submissions.length];
    if (submission !== undefined) await engine.measure(submission);
  }
  return { millis: performance.now() - started, rssMiB: { base, peak: memory("VmHWM"), after: memory("VmRSS") } };
});

function memory(field: "VmRSS" | "VmHWM"): number {
  const [, kib] = new RegExp(`^${field}:\\s*(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kib) / 1024;
}

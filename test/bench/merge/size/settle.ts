import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, readdirSync, readSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { processorSeconds } from "./processor-time.ts";
import type { Validator } from "./validators.ts";

export interface SettleRequest {
  readonly validators: readonly Validator[];
  readonly cycle: number;
  /** Path of a file without content, on a file system with sparse files. */
  readonly filler: string;
}

const READ_BYTES = 4 << 20;
const LOOK_MILLIS = 500;
/** Of one processor in a look's time: less than that nobody works. */
const QUIET_SHARE = 0.05;
const MOST_LOOKS = 120;

/**
 * Makes every measurement begin alike: nothing left to write, nobody at work, no memory that is free, and in memory what
 * merge and copies read.
 *
 * A virtual machine may give free memory back to its host; whoever uses it next waits for the host to find it again,
 * which costs more than all copying. So what is free is filled with pages of a file without content, which the kernel
 * takes back at once. On a machine that has run for long, memory is full of files as well.
 */
export async function settle({ validators, cycle, filler }: SettleRequest): Promise<void> {
  spawnSync("sync");
  const pids = validators.flatMap(({ evaluator, server }) => [evaluator.pid ?? 0, server.pid]);
  await quiet(pids);
  const file = openSync(filler, "a+");
  ftruncateSync(file, totalmem());
  closeSync(file);
  readWhole(filler);
  const inputs = validators.flatMap(({ layout }) => [
    layout.objects,
    layout.allMomentum,
    join(layout.exchangeFolder(cycle), "own"),
  ]);
  // What was read twice stays longest.
  for (const path of [...inputs, ...inputs].flatMap(filesIn)) readWhole(path);
}

async function quiet(pids: readonly number[]): Promise<void> {
  let before = processorSeconds(pids);
  for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
    await setTimeout(LOOK_MILLIS);
    const now = processorSeconds(pids);
    if (now - before < (QUIET_SHARE * LOOK_MILLIS) / 1000) return;
    before = now;
  }
  throw new Error("The validators are at work though there is nothing to do");
}

function filesIn(folder: string): readonly string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []));
}

function readWhole(path: string): void {
  const memory = new Uint8Array(READ_BYTES);
  const file = openSync(path, "r");
  try {
    while (readSync(file, memory) > 0);
  } finally {
    closeSync(file);
  }
}

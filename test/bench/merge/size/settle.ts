import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, readSync } from "node:fs";
import { totalmem } from "node:os";
import { setTimeout } from "node:timers/promises";
import { processorSeconds } from "./processor-time.ts";

const READ_BYTES = 4 << 20;
const LOOK_MILLIS = 500;
/** Of one processor in a look's time: less than that nobody works. */
const QUIET_SHARE = 0.05;

/**
 * Makes every measurement begin alike: with nothing left to write, nobody at work, and no memory that is free.
 *
 * A virtual machine may give free memory back to its host; whoever uses it next waits for the host to find it again,
 * which costs more than all copying. So what is free is filled with pages of a file without content, which the kernel
 * takes back at once. On a machine that has run for long, memory is full of files as well.
 *
 * @param pids of those who may still be working off what was before
 * @param filler path of that file, on a file system with sparse files
 */
export async function settle(pids: readonly number[], filler: string): Promise<void> {
  spawnSync("sync");
  for (let before = processorSeconds(pids); ; ) {
    await setTimeout(LOOK_MILLIS);
    const now = processorSeconds(pids);
    if (now - before < (QUIET_SHARE * LOOK_MILLIS) / 1000) break;
    before = now;
  }
  fillMemory(filler);
}

/** What is in memory already is only looked at. */
function fillMemory(filler: string): void {
  const bytes = totalmem();
  const memory = new Uint8Array(READ_BYTES);
  const file = openSync(filler, "a+");
  try {
    ftruncateSync(file, bytes);
    for (let position = 0; position < bytes; position += READ_BYTES) readSync(file, memory, 0, READ_BYTES, position);
  } finally {
    closeSync(file);
  }
}

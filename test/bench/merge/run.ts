import { mkdtemp, rm } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { isWell, type MergeCyclesResult, runMergeCycles } from "./cycles/run.ts";
import { type MergeLoopsResult, runMergeLoops } from "./loops/run.ts";
import { type MergeBenchOptions, VALIDATORS } from "./options.ts";
import { type MergeSizeResult, runMergeSize } from "./size/run.ts";

/** What the cycles came to, and: */
export interface MergeBenchResult extends Partial<MergeCyclesResult> {
  /** Null when they were not measured, as below. */
  readonly loops: MergeLoopsResult | null;
  readonly size: MergeSizeResult | null;
  readonly machine: { readonly processor: string; readonly cores: number; readonly node: string };
}

/** Each part in a folder of its own, which is gone afterwards unless something went wrong. */
export async function runMergeBench(
  options: MergeBenchOptions,
  write: (line: string) => void,
): Promise<MergeBenchResult> {
  const machine = { processor: cpus()[0]?.model ?? "", cores: cpus().length, node: process.version };
  const validators = VALIDATORS;
  const cycles = options.parts.includes("cycles")
    ? await inFolder(
        options.directory,
        (folder, stack) => runMergeCycles(folder, { ...options, validators }, stack, write),
        (result) => isWell(result),
      )
    : {};
  const loops = options.parts.includes("loops") ? runMergeLoops(options) : null;
  const size = options.parts.includes("size")
    ? await inFolder(options.directory, (folder, stack) => runMergeSize(folder, options, stack, write))
    : null;
  return { ...cycles, loops, size, machine };
}

async function inFolder<Result>(
  parent: string,
  run: (folder: string, stack: AsyncDisposableStack) => Promise<Result>,
  isToGo: (result: Result) => boolean = () => true,
): Promise<Result> {
  const folder = await mkdtemp(join(parent, "assay-bench-merge-"));
  const stack = new AsyncDisposableStack();
  try {
    const result = await run(folder, stack);
    await stack.disposeAsync();
    if (isToGo(result)) await rm(folder, { recursive: true, force: true });
    return result;
  } finally {
    await stack.disposeAsync();
  }
}

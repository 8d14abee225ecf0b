import { mkdtemp, rm } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import type { MergeBenchOptions } from "./options.ts";
import { type MergeSizeResult, runMergeSize } from "./size/run.ts";

export interface MergeBenchResult {
  /** Null when it was not measured. */
  readonly size: MergeSizeResult | null;
  readonly machine: { readonly processor: string; readonly cores: number; readonly node: string };
}

/** Everything in one folder that is gone afterwards. */
export async function runMergeBench(
  options: MergeBenchOptions,
  write: (line: string) => void,
): Promise<MergeBenchResult> {
  const machine = { processor: cpus()[0]?.model ?? "", cores: cpus().length, node: process.version };
  const size = options.parts.includes("size")
    ? await inFolder(options.directory, (folder, stack) => runMergeSize(folder, options, stack, write))
    : null;
  return { size, machine };
}

async function inFolder<Result>(
  parent: string,
  run: (folder: string, stack: AsyncDisposableStack) => Promise<Result>,
): Promise<Result> {
  const folder = await mkdtemp(join(parent, "assay-bench-merge-"));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  try {
    return await run(folder, stack);
  } finally {
    await stack.disposeAsync();
  }
}

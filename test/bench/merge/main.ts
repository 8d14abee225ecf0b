import { writeFile } from "node:fs/promises";
import { runTool } from "@assay/runtime/lifecycle/tool";
import { isWell, type MergeCyclesResult } from "./cycles/run.ts";
import type { MergeLoopsResult } from "./loops/run.ts";
import { MERGE_BENCH_HELP, type MergeBenchOptions, parseMergeBenchOptions } from "./options.ts";
import { type MergeBenchResult, runMergeBench } from "./run.ts";
import type { MergeSizeResult } from "./size/run.ts";

async function main(options: MergeBenchOptions): Promise<number> {
  const result = await runMergeBench(options, (line) => process.stderr.write(`${line}\n`));
  process.stdout.write(`${tableOf(result)}\n`);
  if (options.json !== null) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  return result.seen === undefined || isWell(result as MergeCyclesResult) ? 0 : 1;
}

function tableOf(result: MergeBenchResult): string {
  const cycles = result.seen === undefined ? [] : [cyclesTable(result as MergeCyclesResult)];
  const loops = result.loops === null ? [] : [loopsTable(result.loops)];
  return [...cycles, ...loops, ...(result.size === null ? [] : [sizeTable(result.size)])].join("\n\n");
}

function loopsTable({ loops }: MergeLoopsResult): string {
  const figure = (value: number) => value.toFixed(2).padStart(9);
  return [
    "processor s per GiB     plain  vectors    plain / vectors",
    ...loops.map(
      ({ loop, plain, vectors, ratio }) => `${loop.padEnd(20)}${figure(plain)}${figure(vectors)}${figure(ratio)}`,
    ),
  ].join("\n");
}

function cyclesTable({ cycles, agreed, agreementRate, seen, excluded, seconds, ...bytes }: MergeCyclesResult): string {
  const shown = (kind: string | null) => (kind ?? "all honest").padEnd(18);
  const yes = (value: boolean) => (value ? "yes" : "NO").padEnd(8);
  const kib = (value: number) => (value / 1024).toFixed(0);
  return [
    `${agreed} of ${cycles} cycles agreed, agreement rate ${agreementRate}; merges took ${seconds.median.toFixed(1)} s (median), ${seconds.max.toFixed(1)} s (longest) of ${seconds.deadline} s`,
    `each sent ${kib(bytes.bytesPerMember)} KiB, statements included, for ${kib(bytes.groupBytes)} KiB that it offered`,
    "cycle  trouble           agreed  back    left out",
    ...seen.map(({ cycle, trouble, agreed: isAgreed, caughtUp }) => {
      const reasons = excluded.filter((each) => each.cycle === cycle).map(({ reason }) => reason);
      return `${String(cycle).padStart(5)}  ${shown(trouble)}${yes(isAgreed)}${yes(caughtUp)}${reasons.join(", ")}`.trimEnd();
    }),
  ].join("\n");
}

function sizeTable({ groupBytes, members, merge, copy, copyWithHash, ...ratios }: MergeSizeResult): string {
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  const seconds = (value: number) => value.toFixed(1).padStart(9);
  const above = (values: readonly number[]) => values.map((value) => value.toFixed(0)).join(", ");
  const { evaluator, server, method } = merge.memory;
  return [
    `${mib(groupBytes)} MiB by ${members} validators, ${mib(merge.bytesPerMember)} MiB fetched by each; medians in s`,
    "                         time    merge /",
    `merge               ${seconds(merge.seconds)}`,
    `copy                ${seconds(copy.seconds)}  ${ratios.ratio.toFixed(2).padStart(9)}`,
    `copy, not synced    ${seconds(copy.writtenSeconds)}  ${ratios.ratioWritten.toFixed(2).padStart(9)}`,
    `copy with SHA-256   ${seconds(copyWithHash.seconds)}  ${ratios.ratioWithHash.toFixed(2).padStart(9)}`,
    `processors: merge ${merge.processorSeconds.toFixed(1)} s, ${ratios.ratioOfProcessors.toFixed(2)} times copying's ${copy.processorSeconds.toFixed(1)} s`,
    ...Object.entries(merge.phases).map(([name, value]) => `  ${name.padEnd(18)}${seconds(value)}`),
    `MiB above idle at the most (${method}): evaluators ${above(evaluator.map(({ mergeAbove }) => mergeAbove))}`,
    `  (own gradients ${above(evaluator.map(({ gradientsAbove }) => gradientsAbove))}), model servers ${above(server.map(({ mergeAbove }) => mergeAbove))}`,
  ].join("\n");
}

runTool({ help: MERGE_BENCH_HELP, parse: parseMergeBenchOptions, run: main });

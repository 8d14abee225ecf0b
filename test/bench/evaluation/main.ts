import { writeFile } from "node:fs/promises";
import { runTool } from "@assay/runtime/lifecycle/tool";
import { BENCH_HELP, type BenchOptions, parseBenchOptions } from "./options.ts";
import { type BenchResult, runBench } from "./run.ts";

async function main(options: BenchOptions): Promise<number> {
  const result = await runBench(options, (line) => process.stderr.write(`${line}\n`));
  process.stdout.write(`${tableOf(result)}\n`);
  if (options.json !== null) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  return 0;
}

function tableOf({
  size,
  params,
  checkpointBytes,
  perMinerMs,
  ratios,
  cpuRatios,
  rssMiB,
  ...rest
}: BenchResult): string {
  const { peakOverCheckpoint, minersPerSecond, maxLossDifference, band } = rest;
  const show = (value: number | null, digits = 2) => (value === null ? "-" : value.toFixed(digits));
  const twice = minersPerSecond.twoProcesses / minersPerSecond.oneProcess;
  return [
    `${size}: ${(params / 1e6).toFixed(1)} million parameters, ${(checkpointBytes / 2 ** 20).toFixed(1)} MiB per submission`,
    `ours                      ${show(perMinerMs.ours, 0)} ms per miner`,
    `over bare forward         ${show(ratios.overBareForward, 3)} (CPU time ${show(cpuRatios.overBareForward, 3)})`,
    `PyTorch / ours            ${show(ratios.referenceOverOurs)} (CPU time ${show(cpuRatios.referenceOverOurs)})`,
    `PyTorch in place / ours   ${show(ratios.inPlaceOverOurs)} (CPU time ${show(cpuRatios.inPlaceOverOurs)})`,
    `largest loss difference   ${maxLossDifference === null ? "-" : maxLossDifference.toExponential(1)}`,
    `the same loss otherwise   ${band.threads.toExponential(1)} with two threads, ${band.runs.toExponential(1)} in smaller runs, ${band.streamed.toExponential(1)} streamed`,
    `memory                    ${show(rssMiB.base, 0)} MiB base, ${show(rssMiB.peak, 0)} peak, ${show(rssMiB.afterN, 0)} after; peak - base = ${show(peakOverCheckpoint)} submissions`,
    `miners per second         ${show(minersPerSecond.oneProcess)} with one process, ${show(minersPerSecond.twoProcesses)} with two (${show(twice)} times)`,
  ].join("\n");
}

runTool({ help: BENCH_HELP, parse: parseBenchOptions, run: main });

import { writeFile } from "node:fs/promises";
import { runTool } from "@assay/runtime/lifecycle/tool";
import { CHAIN_BENCH_HELP, type ChainBenchOptions, parseChainBenchOptions } from "./options.ts";
import { type ChainBenchResult, isWell, runChainBench } from "./run.ts";

async function main(options: ChainBenchOptions): Promise<number> {
  const result = await runChainBench(options, (line) => process.stderr.write(`${line}\n`));
  process.stdout.write(`${tableOf(result)}\n`);
  if (options.json !== null) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  return isWell(result) ? 0 : 1;
}

function tableOf({ cycles, faults, windows, verified, doubled, missed, wrongMetrics }: ChainBenchResult): string {
  const kinds = [...new Set(faults.map(({ kind }) => kind))].sort();
  return [
    `${cycles} cycles, ${windows} permitted windows: ${verified} verified, ${doubled} doubled, ${missed} missed`,
    "fault                    times  median s  longest s",
    ...kinds.map((kind) =>
      rowOf(
        kind,
        faults.filter((fault) => fault.kind === kind).map((each) => each.recoverySeconds),
      ),
    ),
    ...wrongMetrics.map(({ cycle, name, shown, expected }) => `cycle ${cycle}: ${name} is ${shown}, not ${expected}`),
  ].join("\n");
}

function rowOf(kind: string, seconds: readonly (number | null)[]): string {
  const sorted = seconds.map((each) => each ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const longest = sorted.at(-1) ?? Number.NaN;
  return `${kind.padEnd(24)} ${String(sorted.length).padStart(5)} ${median.toFixed(1).padStart(9)} ${longest.toFixed(1).padStart(10)}`;
}

runTool({ help: CHAIN_BENCH_HELP, parse: parseChainBenchOptions, run: main });

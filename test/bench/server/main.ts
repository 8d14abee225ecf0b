import { writeFile } from "node:fs/promises";
import { runTool } from "@assay/runtime/lifecycle/tool";
import { parseServerBenchOptions, SERVER_BENCH_HELP, type ServerBenchOptions } from "./options.ts";
import { runServerBench, type ServerBenchResult } from "./run.ts";

async function main(options: ServerBenchOptions): Promise<number> {
  const result = await runServerBench(options, (line) => process.stderr.write(`${line}\n`));
  process.stdout.write(`${tableOf(result)}\n`);
  if (options.json !== null) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
  return 0;
}

function tableOf({ download, upload, rssMiB, healthP99Ms, bytes }: ServerBenchResult): string {
  const show = (value: number | null, digits = 0) => (value === null ? "-" : value.toFixed(digits)).padStart(9);
  return [
    `${bytes / 2 ** 20} MiB, MiB/s`,
    "downloads    ours     nginx   FastAPI    / nginx  by nginx    / nginx",
    ...download.map(
      ({ clients, ours, nginx, fastapi, ratio, offload, offloadRatio }) =>
        `${String(clients).padStart(7)} ${show(ours)} ${show(nginx)} ${show(fastapi)}  ${show(ratio, 2)} ${show(offload)}  ${show(offloadRatio, 2)}`,
    ),
    "uploads      ours     limit              / limit",
    ...upload.map(
      ({ clients, ours, limit, ratio }) =>
        `${String(clients).padStart(7)} ${show(ours)} ${show(limit)} ${" ".repeat(9)}  ${show(ratio, 2)}`,
    ),
    `memory ${show(rssMiB.idle).trim()} MiB idle, at most ${show(rssMiB.peakDownload).trim()} while downloads run and ${show(rssMiB.peakUpload).trim()} while uploads do`,
    `/health p99 ${show(healthP99Ms, 1).trim()} ms under the most downloads`,
  ].join("\n");
}

runTool({ help: SERVER_BENCH_HELP, parse: parseServerBenchOptions, run: main });

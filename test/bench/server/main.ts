import { writeFile } from "node:fs/promises";
import { parseServerBenchOptions, SERVER_BENCH_HELP } from "./options.ts";
import { runServerBench, type ServerBenchResult } from "./run.ts";

const EXIT_USAGE = 2;

async function main(): Promise<void> {
  const options = parseServerBenchOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(SERVER_BENCH_HELP);
    return;
  }
  const result = await runServerBench(options, (line) => process.stderr.write(`${line}\n`));
  process.stdout.write(`${tableOf(result)}\n`);
  if (options.json !== null) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
}

function tableOf({ download, rssMiB, healthP99Ms, bytes }: ServerBenchResult): string {
  const show = (value: number | null, digits = 0) => (value === null ? "-" : value.toFixed(digits)).padStart(9);
  return [
    `${bytes / 2 ** 20} MiB, MiB/s`,
    "clients      ours     nginx   FastAPI    / nginx",
    ...download.map(
      ({ clients, ours, nginx, fastapi, ratio }) =>
        `${String(clients).padStart(7)} ${show(ours)} ${show(nginx)} ${show(fastapi)}  ${show(ratio, 2)}`,
    ),
    `memory ${show(rssMiB.idle).trim()} MiB idle, ${show(rssMiB.peakDownload).trim()} at most while downloads run`,
    `/health p99 ${show(healthP99Ms, 1).trim()} ms under the most clients`,
  ].join("\n");
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    const usage = error instanceof TypeError || error instanceof RangeError;
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(usage ? `${error.message}\n\n${SERVER_BENCH_HELP}` : `${stack}\n`);
    process.exit(usage ? EXIT_USAGE : 1);
  },
);

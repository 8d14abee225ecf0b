import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DevChain } from "@assay/localnet/chain/dev-chain";
import type { Queues } from "./queues.ts";
import { type ServiceProcess, startProcess } from "./service-process.ts";
import { NETUID, type Stage } from "./stage.ts";

/** A process of the cycle role that serves its admin address. */
export interface CycleProcess extends ServiceProcess {
  /** Base of `/ready` and `/metrics`. */
  readonly url: string;
}

/** Starts the cycle role on the stage's folder, with the hotkey of `//Validator//0`; the stage's ledger must be closed. */
export async function startCycle(
  { folder, layout, network }: Pick<Stage, "folder" | "layout" | "network">,
  chain: DevChain,
  queues: Queues,
  env: Readonly<Record<string, string>> = {},
): Promise<CycleProcess> {
  await writeFile(join(folder, "network.yaml"), JSON.stringify(network));
  const cycle = startProcess({
    entry: "services/evaluator/src/main.ts",
    args: [
      "--role=cycle",
      `--chain-endpoint=${chain.url}`,
      `--netuid=${NETUID}`,
      `--network=${join(folder, "network.yaml")}`,
      `--model-path=${join(folder, "model")}`,
      `--checkpoint-cache-dir=${layout.root}`,
      `--ledger-path=${join(folder, "ledger.sqlite")}`,
      "--eval-dataset-path=/nonexistent",
      "--admin-port=0",
      "--doppelganger-blocks=2",
    ],
    cwd: folder,
    env: {
      REDIS_URL: queues.url,
      QUEUE_PREFIX: queues.prefix,
      HOTKEY_URI: "//Validator//0",
      STATUS_EVERY_BLOCKS: "2",
      ...env,
    },
  });
  const url = /url: (\S+)/.exec(await cycle.line(/Admin server listening/))?.[1] ?? "";
  return { ...cycle, url };
}

/** The value of a series as the process's own `/metrics` tells it; null while there is none. */
export async function toldMetric({ url }: Pick<CycleProcess, "url">, series: string): Promise<number | null> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${series} `));
  return line === undefined ? null : Number(line.slice(series.length + 1));
}

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Network } from "@assay/core/network";
import { stringify } from "yaml";

const REPOSITORY: string = fileURLToPath(new URL("../../../../", import.meta.url));

/** Modules of the processes, as they are run from source. */
export const MODULES: Readonly<Record<"chain" | "miner" | "evaluator" | "modelServer", string>> = {
  chain: join(REPOSITORY, "packages/localnet/src/chain/main.ts"),
  miner: join(REPOSITORY, "packages/localnet/src/miners/main.ts"),
  evaluator: join(REPOSITORY, "services/evaluator/src/main.ts"),
  modelServer: join(REPOSITORY, "services/model-server/src/main.ts"),
};

/** The network file that comes with Assay for local subnets. */
export const LOCALNET_FILE: string = join(REPOSITORY, "config/networks/localnet.yaml");

/** Where everything of one local subnet lies. */
export interface StageFolders {
  readonly root: string;
  readonly model: string;
  readonly heldOut: string;
  readonly cache: string;
  readonly miners: string;
  readonly logs: string;
  readonly networkFile: string;
}

/** Names the folders below `root` and makes them. */
export async function makeFolders(root: string): Promise<StageFolders> {
  const folders: StageFolders = {
    root,
    model: join(root, "model"),
    heldOut: join(root, "held-out"),
    cache: join(root, "validator"),
    miners: join(root, "miners"),
    logs: join(root, "logs"),
    networkFile: join(root, "network.yaml"),
  };
  for (const folder of [folders.model, folders.heldOut, folders.cache, folders.miners, folders.logs]) {
    await mkdir(folder, { recursive: true });
  }
  return folders;
}

/** Writes the network's rules where every process reads them. */
export async function writeNetworkFile(path: string, network: Network): Promise<void> {
  await writeFile(path, stringify(network));
}

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadHotkey } from "@assay/chain/hotkey";
import type { MinerKind, MinerSettings } from "../miners/miner-config.ts";
import type { Part } from "./cast.ts";
import { loadLocalNetwork } from "./local-network.ts";
import { LOCAL_NETUID, minerUri, VALIDATOR_URI } from "./local-subnet.ts";
import { prepareModel } from "./prepare-model.ts";
import { makeFolders, type StageFolders, writeNetworkFile } from "./stage-files.ts";

export interface ContainerStageOptions {
  /** Folder that every container of the subnet sees under this name. */
  readonly directory: string;
  readonly chainEndpoint: string;
  readonly modelServerUrl: string;
  readonly authToken: string;
  /** Time between blocks; the network's own when not given. */
  readonly blockMillis: number | null;
}

/** The miners of a subnet in containers: a small cast, and all upload, for each one's loopback is its own. */
export const CONTAINER_CAST: readonly Part[] = [
  part("honest", 0, 24),
  part("honest", 0, 4),
  part("honest", 1, 10),
  part("honest", 2, 10),
  part("nan", 3),
  part("not_committed", 1),
];

/** Stake of the validator: 1000 TAO. */
const STAKE_RAO = "1000000000000";
/** Cycles are short and commitments many: no space limit worth the name. */
const HYPERPARAMETERS = { tempo: 40, weightsSetRateLimit: 20, maxSpace: 1_000_000 };

/** Writes what a subnet in containers starts from: model, held-out text, the network's rules, the chain, the miners. */
export async function prepareContainerStage(
  options: ContainerStageOptions,
  say: (text: string) => void,
): Promise<StageFolders> {
  const folders = await makeFolders(options.directory);
  const network = await loadLocalNetwork();
  const blockMillis = options.blockMillis ?? network.blockMillis;
  await writeNetworkFile(folders.networkFile, { ...network, blockMillis });
  await writeJson(join(folders.root, "chain.json"), await chainConfig(blockMillis));
  for (const [index, each] of CONTAINER_CAST.entries()) {
    await writeJson(join(folders.miners, `miner-${index + 1}.json`), minerSettings(each, index, options, folders));
  }
  await prepareModel(folders, say);
  return folders;
}

function part(kind: MinerKind, group: number, strength = 0): Part {
  return { kind, group, strength, pull: false };
}

async function chainConfig(blockMillis: number): Promise<object> {
  const validator = await loadHotkey({ uri: VALIDATOR_URI });
  const miners = await Promise.all(CONTAINER_CAST.map((_, index) => loadHotkey({ uri: minerUri(index) })));
  return {
    netuid: LOCAL_NETUID,
    blockMillis,
    neurons: [
      { hotkey: validator.address, stakeRao: STAKE_RAO, permit: true },
      ...miners.map(({ address }) => ({ hotkey: address })),
    ],
    hyperparameters: HYPERPARAMETERS,
  };
}

function minerSettings(
  each: Part,
  index: number,
  { chainEndpoint, modelServerUrl, authToken }: ContainerStageOptions,
  { miners, networkFile }: StageFolders,
): MinerSettings {
  return {
    uri: minerUri(index),
    ...each,
    netuid: LOCAL_NETUID,
    chainEndpoint,
    modelServerUrl,
    authToken,
    workDirectory: join(miners, `miner-${index + 1}`),
    networkFile,
    seed: index + 1,
  };
}

async function writeJson(path: string, json: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(json, null, 2)}\n`);
}

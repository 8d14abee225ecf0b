import type { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import type { Network } from "@assay/core/network";
import type { Part } from "@assay/localnet/stage/cast";
import { LocalSubnet } from "@assay/localnet/stage/local-subnet";
import { prepareModel } from "@assay/localnet/stage/prepare-model";
import { makeFolders } from "@assay/localnet/stage/stage-files";
import type { Logger } from "@assay/runtime/logging/logger";
import { type FaultProxy, openFaultProxy } from "@assay/testing/network/fault-proxy";

const BLOCK_MILLIS = 250;
const GROUPS = 4;
/** A third of what validators have, for models that are far smaller, on a machine that is shared by all. */
const TIMEOUT_SECONDS = 20;

/** 72 s. Every miner submits to each of the validators, which share the cores of one machine. */
const SCHEDULE: Network["schedule"] = {
  distribute: 24,
  train: 48,
  minerCommit1: 12,
  minerCommit2: 12,
  submission: 24,
  validate: 48,
  merge: 96,
  validatorCommit1: 12,
  validatorCommit2: 12,
};

export const NETWORK: Network = {
  name: "together",
  blockMillis: BLOCK_MILLIS,
  schedule: SCHEDULE,
  expertGroups: GROUPS,
  evaluation: { sequences: 16, sequenceLength: 64, policy: "relative_reduction" },
  merge: {
    outerLearningRate: 0.7,
    outerMomentum: 0.9,
    topSubmissions: 2,
    normBound: 4,
    timeoutSeconds: TIMEOUT_SECONDS,
  },
};

/** Honest miners of several strengths, as many in each group. */
function castOf(miners: number): readonly Part[] {
  return Array.from({ length: miners }, (_, index) => ({
    kind: "honest",
    group: index % GROUPS,
    strength: 2 + 2 * Math.floor(index / GROUPS),
    pull: false,
  }));
}

/** Several validators on one subnet, each of which the others reach through a line that can fail. */
export interface MergeStage {
  readonly subnet: LocalSubnet;
  /** The line to each validator's model server, in the order of the validators. */
  readonly lines: readonly FaultProxy[];
  readonly chain: PolkadotChainClient;
}

export interface MergeStageTerms {
  readonly root: string;
  readonly validators: number;
  readonly miners: number;
  readonly onLine: (process: string, line: string) => void;
  readonly write: (line: string) => void;
}

/** Starts everything; the chain stands still until `subnet.run()`. */
export async function openMergeStage(
  { root, validators, miners, onLine, write }: MergeStageTerms,
  { logger, stack }: { readonly logger: Logger; readonly stack: AsyncDisposableStack },
): Promise<MergeStage> {
  const folders = await makeFolders(root);
  const lines: FaultProxy[] = [];
  const subnet = new LocalSubnet({
    folders,
    network: NETWORK,
    parts: castOf(miners),
    validators,
    evaluatorEnv: { QUEUE_LOCK_SECONDS: "5" },
    onLine,
    axonRoute: async (index, modelServerUrl) => {
      const line = await openFaultProxy(modelServerUrl, { host: `127.0.1.${index + 2}` });
      stack.defer(() => line.close());
      lines[index] = line;
      return line.url;
    },
  });
  stack.defer(async () => void (await subnet.stop()));
  await subnet.start(logger, prepareModel(folders, write));
  const chain = subnet.createChainReader(logger);
  await chain.start(AbortSignal.timeout(60_000));
  stack.defer(() => chain.stop());
  return { subnet, lines, chain };
}

import type { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import type { Network } from "@assay/core/network";
import type { Part } from "@assay/localnet/stage/cast";
import { loadLocalNetwork } from "@assay/localnet/stage/local-network";
import { LocalSubnet } from "@assay/localnet/stage/local-subnet";
import { prepareModel } from "@assay/localnet/stage/prepare-model";
import { makeFolders, type StageFolders } from "@assay/localnet/stage/stage-files";
import type { Logger } from "@assay/runtime/logging/logger";
import { type FaultProxy, openFaultProxy } from "@assay/testing/network/fault-proxy";
import type { ChainBenchOptions } from "./options.ts";
import { ValidatorWatch } from "./validator-watch.ts";

/** Three miners are enough to have something to weigh. */
const PARTS: readonly Part[] = [
  { kind: "honest", group: 0, strength: 4, pull: false },
  { kind: "honest", group: 1, strength: 4, pull: false },
  { kind: "no_change", group: 2, strength: 0, pull: false },
];

/** 35 s: long enough for a fault of each kind in each cycle. */
const SCHEDULE: Network["schedule"] = {
  distribute: 14,
  train: 56,
  minerCommit1: 12,
  minerCommit2: 12,
  submission: 26,
  validate: 22,
  merge: 14,
  validatorCommit1: 10,
  validatorCommit2: 10,
};
/**
 * In blocks of 200 ms: 32 s. A process that is killed needs some seconds to start and then waits for the lock of the job
 * that the dead one held, which with tempos of 72 minutes is nothing.
 */
const TEMPO = 160;
export const RATE_LIMIT: number = TEMPO / 2;

/** Deadlines in proportion to blocks of 200 ms, where operators have 15 s and four blocks of 12 s. */
const FAST_DEADLINES = { CHAIN_REQUEST_SECONDS: "2", CHAIN_SILENCE_SECONDS: "3", QUEUE_LOCK_SECONDS: "5" };

/** A subnet whose evaluator reaches the chain through two proxies, each of which can fail. */
export interface ChaosStage {
  readonly subnet: LocalSubnet;
  readonly network: Network;
  readonly folders: StageFolders;
  readonly proxies: readonly FaultProxy[];
  /** Talks to the chain directly: no fault is between. */
  readonly chain: PolkadotChainClient;
  readonly watch: ValidatorWatch;
}

/** Starts everything; the chain stands still until `subnet.run()`. */
export async function openChaosStage(
  root: string,
  { commitReveal }: Pick<ChainBenchOptions, "commitReveal">,
  {
    logger,
    stack,
    write,
  }: {
    readonly logger: Logger;
    readonly stack: AsyncDisposableStack;
    readonly write: (line: string) => void;
  },
): Promise<ChaosStage> {
  const folders = await makeFolders(root);
  const network = { ...(await loadLocalNetwork()), name: "chaos", schedule: SCHEDULE };
  const proxies: FaultProxy[] = [];
  const subnet = new LocalSubnet({
    folders,
    network,
    parts: PARTS,
    commitReveal: commitReveal ?? undefined,
    hyperparameters: { tempo: TEMPO, weightsSetRateLimit: RATE_LIMIT },
    evaluatorEnv: { ...FAST_DEADLINES, LOG_LEVEL: "debug" },
    chainRoutes: async (chainUrl) => {
      for (let each = 0; each < 2; each += 1) {
        const proxy = await openFaultProxy(chainUrl);
        stack.defer(() => proxy.close());
        proxies.push(proxy);
      }
      return proxies.map(({ url }) => url);
    },
  });
  stack.defer(async () => void (await subnet.stop()));
  await subnet.start(logger, prepareModel(folders, write));
  const chain = subnet.createChainReader(logger);
  await chain.start(AbortSignal.timeout(60_000));
  stack.defer(() => chain.stop());
  return { subnet, network, folders, proxies, chain, watch: new ValidatorWatch(subnet.validator.evaluatorAdminUrl) };
}

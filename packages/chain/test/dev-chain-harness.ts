import type { ConnectionObserver } from "@assay/chain/connection-observer";
import { loadHotkey } from "@assay/chain/hotkey";
import { PolkadotChainClient, type PolkadotChainClientOptions } from "@assay/chain/polkadot/polkadot-chain-client";
import type { SigningGuard } from "@assay/chain/signing-guard";
import type { SubnetHyperparameters } from "@assay/core/round/snapshot";
import { type DevChain, type DevChainOptions, startDevChain } from "@assay/localnet/chain/dev-chain";
import type { Logger } from "@assay/runtime/logging/logger";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import type { ChainHarness, ChainSetup } from "@assay/testing/contracts/chain-client-scenario";

const CLIENT_OPTIONS: ClientOptions = { requestDeadlineMillis: 5_000, headSilenceMillis: 60_000 };
type ClientOptions = Omit<PolkadotChainClientOptions, "endpoints">;

/** Where the development chain stores each rule of a snapshot. */
const RULE_ITEMS = {
  tempo: "Tempo",
  weightsRateLimit: "WeightsSetRateLimit",
  weightsVersionKey: "WeightsVersionKey",
  minAllowedWeights: "MinAllowedWeights",
  maxWeightsLimit: "MaxWeightsLimit",
  commitRevealEnabled: "CommitRevealWeightsEnabled",
  stakeThresholdRao: "StakeThreshold",
  ownerHotkey: "SubnetOwnerHotkey",
} as const satisfies Record<keyof SubnetHyperparameters, string>;

/** A development chain that builds blocks on demand, and real clients on it. */
export async function startDevChainHarness(
  setup: ChainSetup,
  runtime: DevChainOptions["runtime"] = {},
): Promise<ChainHarness> {
  const chain = await startContractChain(setup, runtime);
  const clients: PolkadotChainClient[] = [];
  return {
    get head() {
      return chain.head;
    },
    buildBlock: () => chain.buildBlock(),
    openClient: async (uri, guard) => {
      const client = await openClient(uri, [chain.url], guard && { guard });
      clients.push(client);
      return client;
    },
    setRules: (rules) => writeRules(chain, setup.netuid, rules),
    setCommitRevealVersion: (version) =>
      chain.writeStorage("SubtensorModule", "CommitRevealWeightsVersion", [], version),
    dropConnections: () => chain.dropConnections(),
    close: async () => {
      await Promise.all(clients.map((client) => client.stop()));
      await chain.close();
    },
  };
}

async function startContractChain(
  { netuid, neurons, hyperparameters, finalityLag }: ChainSetup,
  runtime: NonNullable<DevChainOptions["runtime"]>,
): Promise<DevChain> {
  const { tempo = 360, weightsRateLimit = 100, stakeThresholdRao = 0n, ownerHotkey } = hyperparameters;
  return await startDevChain({
    netuid,
    neurons: neurons.map((neuron) => ({ ...neuron, owner: neuron.hotkey === ownerHotkey })),
    finalityLag,
    runtime,
    manual: true,
    blockMillis: 1000,
    hyperparameters: { tempo, weightsSetRateLimit: weightsRateLimit, stakeThreshold: stakeThresholdRao },
  });
}

interface ClientSurroundings {
  readonly logger?: Logger;
  readonly observer?: ConnectionObserver;
  readonly guard?: SigningGuard;
}

export async function openClient(
  uri: string | null,
  endpoints: readonly string[],
  { logger = createMemoryLogger(), observer, guard, ...options }: Partial<ClientOptions> & ClientSurroundings = {},
): Promise<PolkadotChainClient> {
  const signer = uri === null ? null : await loadHotkey({ uri });
  const client = new PolkadotChainClient(
    { logger, signer, ...(observer && { observer }), ...(guard && { guard }) },
    { ...CLIENT_OPTIONS, endpoints, ...options },
  );
  await client.start(AbortSignal.timeout(10_000));
  return client;
}

function writeRules(chain: DevChain, netuid: number, rules: Partial<SubnetHyperparameters>): void {
  for (const [rule, item] of Object.entries(RULE_ITEMS)) {
    const value = rules[rule as keyof SubnetHyperparameters];
    if (value === undefined) continue;
    chain.writeStorage("SubtensorModule", item, item === "StakeThreshold" ? [] : [netuid], value);
  }
}

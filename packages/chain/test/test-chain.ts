import type { ChainCall, SubmitOptions } from "@assay/chain/chain-client";
import { loadHotkey } from "@assay/chain/hotkey";
import type { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import type { BlockNumber } from "@assay/core/units";
import { type DevChain, type DevChainOptions, startDevChain } from "@assay/localnet/chain/dev-chain";
import { type FaultProxy, openFaultProxy } from "@assay/testing/network/fault-proxy";
import { openClient } from "./dev-chain-harness.ts";

const VALIDATOR = "//Validator//0";
export const COMMITMENT: Extract<ChainCall, { kind: "set_commitment" }> = {
  kind: "set_commitment",
  netuid: 2,
  bytes: Uint8Array.of(7),
};
export const WAIT_MILLIS = 20_000;

const endings: (() => Promise<void>)[] = [];

/** Has something ended after the test, the newest first. */
export function atEnd(end: () => Promise<void>): void {
  endings.push(end);
}

export async function endAll(): Promise<void> {
  for (const end of endings.splice(0).reverse()) await end();
}

/** A chain of ten blocks a second with one registered validator. */
export async function startChain(options: Partial<DevChainOptions> = {}): Promise<DevChain> {
  const { address } = await loadHotkey({ uri: VALIDATOR });
  const neurons = [{ hotkey: address, stakeRao: 1n, permit: true }];
  const chain = await startDevChain({ netuid: 2, neurons, blockMillis: 100, ...options });
  atEnd(() => chain.close());
  return chain;
}

/** A proxy before the chain, for the faults of a network. */
export async function proxyTo(chain: Pick<DevChain, "url">): Promise<FaultProxy> {
  const proxy = await openFaultProxy(chain.url);
  atEnd(() => proxy.close());
  return proxy;
}

/** A started client that signs with the validator's hotkey. */
export async function clientOn(
  endpoints: readonly string[],
  options: Parameters<typeof openClient>[2] = {},
): Promise<PolkadotChainClient> {
  const client = await openClient(VALIDATOR, endpoints, options);
  atEnd(() => client.stop());
  return client;
}

export function within(blocks: number, client: PolkadotChainClient): SubmitOptions {
  return { signal: AbortSignal.timeout(WAIT_MILLIS), deadlineBlock: client.head().number + blocks };
}

export async function nextHead(
  client: PolkadotChainClient,
  isWanted: (block: BlockNumber) => boolean,
): Promise<BlockNumber> {
  const wanted = Promise.withResolvers<BlockNumber>();
  const end = client.onHead(({ number }) => isWanted(number) && wanted.resolve(number));
  try {
    return await wanted.promise;
  } finally {
    end();
  }
}

/** How many of the validator's extrinsics blocks contain: the account's nonce. */
export async function landedCount(chain: DevChain): Promise<unknown> {
  const { address } = await loadHotkey({ uri: VALIDATOR });
  const account = chain.readStorage("System", "Account", [address]);
  return account !== null && typeof account === "object" && "nonce" in account ? account.nonce : 0;
}

import type { ChainRuntime, PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import type { BlockNumber } from "@assay/core/units";
import { hostOf, withChain } from "../operator/chain-reader.ts";
import { type Problem, problemOf } from "../operator/problem.ts";

/** How one endpoint is. All but its host are null when it does not answer. */
export interface EndpointStatus {
  /** Without its path, which may hold a key of the provider's. */
  readonly endpoint: string;
  readonly runtime: ChainRuntime | null;
  /** Hash of block 0: which chain it serves. */
  readonly genesis: string | null;
  readonly head: BlockNumber | null;
  readonly finalized: BlockNumber | null;
  /** Blocks that are not final yet. */
  readonly lag: number | null;
  /** Why it does not answer; null when it does. */
  readonly problem: Problem | null;
}

/** Asks one endpoint, and goes on with `read` while the connection is there. */
export async function askEndpoint<T>(
  address: string,
  connectMillis: number,
  signal: AbortSignal,
  read: (chain: PolkadotChainClient) => Promise<T>,
): Promise<{ readonly status: EndpointStatus; readonly answer: T | null }> {
  try {
    return await withChain({ endpoints: [address], connectMillis }, signal, async (chain) => {
      const [runtime, genesis] = await Promise.all([chain.runtime(), chain.blockHash(0)]);
      const [head, finalized] = [chain.head().number, chain.finalizedHead().number];
      const lag = head - finalized;
      const status = { endpoint: hostOf(address), runtime, genesis, head, finalized, lag, problem: null };
      return { status, answer: await read(chain) };
    });
  } catch (error) {
    signal.throwIfAborted();
    const unknown = { runtime: null, genesis: null, head: null, finalized: null, lag: null };
    return { status: { endpoint: hostOf(address), ...unknown, problem: problemOf(error) }, answer: null };
  }
}

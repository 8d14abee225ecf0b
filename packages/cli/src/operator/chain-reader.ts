import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import { PolkadotChainClient } from "@assay/chain/polkadot/polkadot-chain-client";
import { createMemoryLogger } from "@assay/runtime/logging/memory-logger";
import type { Operator } from "./operator-options.ts";

const CLIENT_OPTIONS = { requestDeadlineMillis: 15_000, headSilenceMillis: 120_000 } as const;

type ChainAddresses = Pick<Operator, "endpoints" | "connectMillis"> & Partial<Pick<Operator, "archiveEndpoints">>;

/**
 * Reads from the chain with a client that cannot sign, and hangs up.
 *
 * @throws ChainError `CHAIN_DISCONNECTED` when none of the endpoints answers in time.
 */
export async function withChain<T>(
  { endpoints, archiveEndpoints = [], connectMillis }: ChainAddresses,
  signal: AbortSignal,
  read: (chain: PolkadotChainClient) => Promise<T>,
): Promise<T> {
  const logger = createMemoryLogger("assay");
  const chain = new PolkadotChainClient({ logger, signer: null }, { ...CLIENT_OPTIONS, endpoints, archiveEndpoints });
  try {
    await chain.start(AbortSignal.any([signal, AbortSignal.timeout(connectMillis)])).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw new ChainError(ChainErrorCode.Disconnected, "No endpoint of the chain answers", {
        fields: { endpoints: endpoints.map(hostOf).join(", ") },
        cause,
      });
    });
    return await read(chain);
  } finally {
    await chain.stop();
  }
}

/** An endpoint without its path, which may hold a key of the provider's. */
export function hostOf(endpoint: string): string {
  return URL.parse(endpoint)?.host ?? "?";
}

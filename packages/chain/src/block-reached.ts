import type { BlockNumber } from "@assay/core/units";
import type { ChainClient } from "./chain-client.ts";

/** Resolves at the first head that has reached the block; rejects with the signal's reason. */
export function blockReached(
  chain: Pick<ChainClient, "head" | "onHead">,
  block: BlockNumber,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const end = chain.onHead((head) => {
    if (head.number >= block) resolve();
  });
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  if (chain.head().number >= block) resolve();
  return promise.finally(() => {
    end();
    signal.removeEventListener("abort", abort);
  });
}

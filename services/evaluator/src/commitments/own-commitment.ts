import type { ChainClient } from "@assay/chain/chain-client";
import type { ChainCommitment } from "@assay/core/round/snapshot";
import type { BlockHash, Netuid } from "@assay/core/units";

/** What our own hotkey has committed, as of one block; null when nothing. */
export async function ownCommitment(
  chain: Pick<ChainClient, "hotkey" | "commitments">,
  netuid: Netuid,
  at: BlockHash,
): Promise<ChainCommitment | null> {
  const commitments = await chain.commitments(netuid, at);
  return commitments.find(({ hotkey }) => hotkey === chain.hotkey) ?? null;
}

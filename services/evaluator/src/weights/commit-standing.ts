import type { ChainClient } from "@assay/chain/chain-client";
import type { BlockNumber } from "@assay/core/units";
import type { WeightIntent } from "@assay/ledger/intents";
import type { WeightCommit } from "@assay/ledger/reveals";
import { ownNeuron } from "./weight-standing.ts";

/** Whether a commit that was sent is on chain. */
export type CommitStanding =
  | { readonly kind: "landed"; readonly block: BlockNumber }
  /** Not in a final block, and it can still come into one. */
  | { readonly kind: "open" }
  | { readonly kind: "gone" };

/**
 * Reads from the newest final block whether a commit landed, so that none is sent twice.
 *
 * One that was revealed or dropped in the meantime is no longer stored, but it moved our neuron's last update into the
 * blocks that could include it; nothing else of ours does.
 */
export async function commitStanding(
  { netuid }: WeightIntent,
  commit: WeightCommit,
  chain: ChainClient,
): Promise<CommitStanding> {
  const final = chain.finalizedHead();
  const { neurons } = await chain.snapshot(netuid, final.hash);
  const { hotkey, lastUpdate } = ownNeuron(neurons, chain, netuid);
  const isInWindow = lastUpdate > commit.sentBlock && lastUpdate <= commit.deadlineBlock;
  const isStored = (await chain.pendingCommits(netuid, hotkey, final.hash)).includes(commit.hash);
  if (isStored || isInWindow) return { kind: "landed", block: lastUpdate };
  return final.number >= commit.deadlineBlock ? { kind: "gone" } : { kind: "open" };
}

import type { ChainClient } from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import type { BlockNumber } from "@assay/core/units";
import type { WeightCommit } from "@assay/ledger/reveals";
import type { WeightIntent } from "@assay/ledger/weight-intent";
import { ownNeuron } from "./weight-view.ts";

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
 * blocks that could include it: that block still had it. Where that state is gone too, it counts as ours, as sending
 * nothing does less harm than sending twice.
 */
export async function commitStanding(
  { netuid }: WeightIntent,
  commit: WeightCommit,
  chain: ChainClient,
): Promise<CommitStanding> {
  const final = chain.finalizedHead();
  const own = ownNeuron(await chain.snapshot(netuid, final.hash), chain);
  if (own === null) return final.number >= commit.deadlineBlock ? { kind: "gone" } : { kind: "open" };
  const { hotkey, lastUpdate: block } = own;
  if ((await chain.pendingCommits(netuid, hotkey, final.hash)).includes(commit.hash)) return { kind: "landed", block };
  const isInTime = block > commit.sentBlock && block <= commit.deadlineBlock;
  if (isInTime && (await wasStored(netuid, commit, { chain, hotkey, block }))) return { kind: "landed", block };
  return final.number >= commit.deadlineBlock ? { kind: "gone" } : { kind: "open" };
}

async function wasStored(
  netuid: number,
  { hash }: WeightCommit,
  { chain, hotkey, block }: { readonly chain: ChainClient; readonly hotkey: string; readonly block: BlockNumber },
): Promise<boolean> {
  const at = await chain.finalizedBlockHash(block);
  if (at === null) return false;
  try {
    return (await chain.pendingCommits(netuid, hotkey, at)).includes(hash);
  } catch (error) {
    if (error instanceof ChainError && error.code === ChainErrorCode.StateDiscarded) return true;
    throw error;
  }
}

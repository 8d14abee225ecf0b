import type { ChainClient } from "@assay/chain/chain-client";
import type { BlockHash, BlockNumber, Uid } from "@assay/core/units";
import { isUpdatedSince } from "@assay/core/weights/window";
import type { WeightIntent } from "@assay/ledger/weight-intent";
import { ownNeuron, type WeightView } from "./weight-view.ts";

/** Where an intent stands on chain. */
export type WeightStanding =
  /** The chain holds these weights, set in a block that is final. */
  | { readonly kind: "on_chain"; readonly block: BlockNumber }
  /** The newest block shows that weights were set in this window, but is not final. */
  | { readonly kind: "landing" }
  /** Ours were set, and the chain holds something else. */
  | { readonly kind: "differs"; readonly block: BlockNumber }
  /** Somebody else with our hotkey set weights in this window. */
  | { readonly kind: "foreign"; readonly block: BlockNumber }
  /** Weights of a later window stand there; of this one nothing is to be seen any more. */
  | { readonly kind: "overtaken" }
  | { readonly kind: "unset" };

/**
 * Reads where an intent stands, so that nothing is sent into a window that has its weights already. Only a final block
 * says that for good. Hidden weights of ours are found by their commits before this is asked.
 */
export async function weightStanding(
  intent: WeightIntent,
  chain: ChainClient,
  { rules, snapshot, own }: WeightView,
): Promise<WeightStanding> {
  if (own === null || !isUpdatedSince(intent, own.lastUpdate)) return { kind: "unset" };
  const block = own.lastUpdate;
  const isFinal = block <= chain.finalizedHead().number;
  const stored = await chain.weights(intent.netuid, own.uid, snapshot.hash);
  // The next window's set may hold the very same weights: it proves nothing of this one.
  const isInTime = block <= intent.deadlineBlock;
  if (rules.way === "plain" && isInTime && holdsWeights(intent, stored)) {
    return isFinal ? { kind: "on_chain", block } : LANDING;
  }
  if (!isFinal) return LANDING;
  if (!isInTime) return { kind: "overtaken" };
  if (intent.state === "finalised") return { kind: "differs", block };
  const commits = await chain.pendingCommits(intent.netuid, own.hotkey, snapshot.hash);
  // A neuron without either was registered within the window, which moves the same number.
  return stored.length > 0 || commits.length > 0 ? { kind: "foreign", block } : { kind: "unset" };
}

const LANDING: WeightStanding = { kind: "landing" };

/** Whether the chain held exactly the intent's weights at a block. */
export async function areWeightsStored(intent: WeightIntent, chain: ChainClient, at: BlockHash): Promise<boolean> {
  const own = ownNeuron(await chain.snapshot(intent.netuid, at), chain);
  return own !== null && holdsWeights(intent, await chain.weights(intent.netuid, own.uid, at));
}

function holdsWeights({ uids, weights }: WeightIntent, stored: readonly (readonly [Uid, number])[]): boolean {
  return (
    stored.length === uids.length &&
    stored.every(([uid, weight], index) => uid === uids[index] && weight === weights[index])
  );
}

import { cycleLength } from "@assay/core/cycle/phase";
import { weightPolicyOf } from "@assay/core/network";
import type { ChainSnapshot } from "@assay/core/round/snapshot";
import type { BlockNumber, Hotkey } from "@assay/core/units";
import type { PeerVote } from "@assay/core/weights/peer-votes";
import {
  isFallbackDue,
  type PayingNetwork,
  type WeightFacts,
  type WeightMemory,
} from "@assay/core/weights/plan-weights";
import type { ChainClient } from "./chain-client.ts";

export interface WeightTerms {
  readonly memory: WeightMemory;
  readonly network: PayingNetwork;
  readonly ownHotkey: Hotkey | null;
}

/** What weights follow from, as of a snapshot's block. Others' weights are read only when the fallback is due. */
export async function readWeightFacts(
  chain: ChainClient,
  snapshot: ChainSnapshot,
  { memory, network, ownHotkey }: WeightTerms,
): Promise<WeightFacts> {
  const { fallback } = weightPolicyOf(network);
  const { block } = snapshot;
  const isDue = fallback !== undefined && isFallbackDue(network, memory, block);
  const since = isDue ? block - fallback.afterCycles * cycleLength(network.schedule) : null;
  const votes = since === null ? [] : await readPeerVotes(chain, snapshot, { ownHotkey, since });
  return { memory, subnet: snapshot, ownHotkey, votes };
}

/** The weights of every other validator with a permit and stake that set or committed some since a block. */
async function readPeerVotes(
  chain: ChainClient,
  { netuid, hash, neurons }: ChainSnapshot,
  { ownHotkey, since }: { readonly ownHotkey: Hotkey | null; readonly since: BlockNumber },
): Promise<readonly PeerVote[]> {
  const peers = neurons.filter(
    ({ hotkey, validatorPermit, stakeRao, lastUpdate }) =>
      hotkey !== ownHotkey && validatorPermit && stakeRao > 0n && lastUpdate >= Math.max(1, since),
  );
  const registered = new Map(neurons.map(({ uid, lastUpdate }) => [uid, lastUpdate]));
  const votes = await Promise.all(
    peers.map(async ({ uid, hotkey, stakeRao, lastUpdate }) => {
      const stored = await chain.weights(netuid, uid, hash);
      // A miner's last update is its registration: what is older was meant for whoever had the slot before.
      return { hotkey, stakeRao, weights: stored.filter(([target]) => (registered.get(target) ?? 0) < lastUpdate) };
    }),
  );
  return votes.filter(({ weights }) => weights.length > 0);
}

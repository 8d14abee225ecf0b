import type { ChainClient } from "@assay/chain/chain-client";
import type { ChainSnapshot } from "@assay/core/round/snapshot";
import type { Hotkey, Netuid } from "@assay/core/units";
import { type OwnNeuron, ownNeuron } from "../operator/own-neuron.ts";
import { type WeightRow, weightRows } from "./weight-rows.ts";

/** Our neuron and its weights, read at one block. */
export interface WeightStanding extends OwnNeuron {
  readonly weights: readonly WeightRow[];
}

/** Reads it at the newest block, with the snapshot of that block. */
export async function readWeightStanding(
  chain: ChainClient,
  netuid: Netuid,
  hotkey: Hotkey,
): Promise<{ readonly standing: WeightStanding; readonly snapshot: ChainSnapshot }> {
  const { hash } = chain.head();
  const snapshot = await chain.snapshot(netuid, hash);
  const neuron = ownNeuron(snapshot, hotkey);
  const weights = neuron.uid === null ? [] : await chain.weights(netuid, neuron.uid, hash);
  return { standing: { ...neuron, weights: weightRows(weights) }, snapshot };
}

/** `uid 3 on subnet 42 at block 100: 5 weights, last update at block 90`. */
export function standingLine({ netuid, hotkey, block, uid, weights, lastUpdate }: WeightStanding): string {
  if (uid === null) return `${hotkey} is not registered on subnet ${netuid} at block ${block}`;
  const update = lastUpdate === 0 ? "never updated" : `last update at block ${lastUpdate}`;
  return `uid ${uid} on subnet ${netuid} at block ${block}: ${weights.length} weights, ${update}`;
}

import type { ChainClient } from "@assay/chain/chain-client";
import { weightObstacleOf } from "@assay/chain/weight-obstacle";
import type { WeightRules } from "@assay/chain/weight-rules";
import type { ChainSnapshot } from "@assay/core/round/snapshot";
import type { BlockNumber, Hotkey, Netuid } from "@assay/core/units";
import type { WeightObstacle } from "@assay/core/weights/obstacles";
import { isUpdatedSince, weightWindow } from "@assay/core/weights/window";
import { type OwnNeuron, ownNeuron } from "../operator/own-neuron.ts";
import { type WeightRow, weightRows } from "./weight-rows.ts";

/** Our neuron and its weights, read at one block. */
export interface WeightStanding extends OwnNeuron {
  readonly weights: readonly WeightRow[];
}

/** The tempo that runs, and what the chain permits in it. */
export interface WindowStanding {
  readonly tempo: number;
  readonly firstBlock: BlockNumber;
  readonly lastBlock: BlockNumber;
  /** Block of this tempo in which weights were set or committed; null while none were. */
  readonly setAt: BlockNumber | null;
  /** First block that takes weights; null when the rate limit leaves none of this tempo. */
  readonly opensAt: BlockNumber | null;
}

export interface ChainStanding {
  readonly standing: WeightStanding;
  readonly snapshot: ChainSnapshot;
  /** Null, and then `unsupported` says why, where the subnet hides weights in an unknown way. */
  readonly rules: WeightRules | null;
  readonly unsupported: readonly WeightObstacle[];
}

/** Reads all that the newest block says of our weights. */
export async function readChainStanding(chain: ChainClient, netuid: Netuid, hotkey: Hotkey): Promise<ChainStanding> {
  const { hash } = chain.head();
  const snapshot = await chain.snapshot(netuid, hash);
  const neuron = ownNeuron(snapshot, hotkey);
  const weights = neuron.uid === null ? [] : await chain.weights(netuid, neuron.uid, hash);
  const standing = { ...neuron, weights: weightRows(weights) };
  try {
    return { standing, snapshot, rules: await chain.weightRules(netuid, hash), unsupported: [] };
  } catch (error) {
    const obstacle = weightObstacleOf(error);
    if (obstacle === null) throw error;
    return { standing, snapshot, rules: null, unsupported: [obstacle] };
  }
}

/** The running tempo's window; null where nothing is known of tempos, or without a slot. */
export function windowStanding({ standing, snapshot, rules }: ChainStanding): WindowStanding | null {
  const { lastUpdate } = standing;
  if (rules === null || lastUpdate === null) return null;
  const { index: tempo, firstBlock, nextBlock } = rules.epoch;
  const setAt = isUpdatedSince(rules.epoch, lastUpdate) ? lastUpdate : null;
  const window = weightWindow(rules.epoch, { lastUpdate, rateLimit: snapshot.hyperparameters.weightsRateLimit });
  const opensAt = window?.firstBlock ?? null;
  return { tempo, firstBlock, lastBlock: nextBlock - 1, setAt, opensAt };
}

/** `Tempo 17, blocks 360 to 719: weights were set at block 371`. */
export function windowLine({ tempo, firstBlock, lastBlock, setAt, opensAt }: WindowStanding): string {
  const place = `Tempo ${tempo}, blocks ${firstBlock} to ${lastBlock}`;
  if (setAt !== null) return `${place}: weights were set at block ${setAt}`;
  if (opensAt === null) return `${place}: the rate limit leaves no block for weights`;
  return `${place}: weights can be set from block ${opensAt} on`;
}

/** `uid 3 on subnet 42 at block 100: 5 weights, last update at block 90`. */
export function standingLine({ netuid, hotkey, block, uid, weights, lastUpdate }: WeightStanding): string {
  if (uid === null) return `${hotkey} is not registered on subnet ${netuid} at block ${block}`;
  const update = lastUpdate === 0 ? "never updated" : `last update at block ${lastUpdate}`;
  return `uid ${uid} on subnet ${netuid} at block ${block}: ${weights.length} weights, ${update}`;
}

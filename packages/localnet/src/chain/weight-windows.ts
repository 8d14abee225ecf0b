import type { BlockNumber, Netuid, Uid } from "@assay/core/units";
import { countWindows, type Tempo, type WindowCount } from "@assay/core/weights/window";
import type { DevChain } from "./dev-chain.ts";

export interface NeuronPlace {
  readonly netuid: Netuid;
  readonly uid: Uid;
}

/** A neuron's windows, and the blocks in which it set or committed weights. */
export interface ChainWindows extends WindowCount {
  readonly landed: readonly BlockNumber[];
}

/**
 * Counts a neuron's windows of all tempos that have ended, from the chain's state at each of its blocks and nothing
 * else: a block that moved the neuron's `LastUpdate` holds a set or commit of weights. The neuron must not have been
 * registered meanwhile, which moves it too, and the rate limit not changed.
 */
export function chainWindows(chain: DevChain, { netuid, uid }: NeuronPlace): ChainWindows {
  const read = (item: string, at: string) => chain.readStorage("SubtensorModule", item, [netuid], at);
  const tempos = new Map<number, { firstBlock: BlockNumber; lastBlock: BlockNumber }>();
  const landed = new Set<BlockNumber>();
  for (let block = 1; block <= chain.head.number; block += 1) {
    const at = chain.hashAt(block);
    if (at === null) continue;
    const index = Number(read("SubnetEpochIndex", at) ?? 0);
    tempos.set(index, { firstBlock: tempos.get(index)?.firstBlock ?? block, lastBlock: block });
    const updates = read("LastUpdate", at) as readonly number[];
    landed.add(updates[uid] ?? 0);
  }
  landed.delete(0);
  const running = Math.max(...tempos.keys());
  const ended: readonly Tempo[] = [...tempos]
    .filter(([index]) => index < running)
    .map(([index, { firstBlock, lastBlock }]) => ({ index, firstBlock, nextBlock: lastBlock + 1 }));
  const rateLimit = Number(read("WeightsSetRateLimit", chain.head.hash) ?? 0);
  return { ...countWindows(ended, [...landed], rateLimit), landed: [...landed] };
}

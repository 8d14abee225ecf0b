import { axonUrl } from "../round/axon-url.ts";
import type { ChainSnapshot, Neuron } from "../round/snapshot.ts";
import type { Hotkey } from "../units.ts";
import type { MergePeer } from "./exchange/merge-transport.ts";

/** A validator that may merge, as the chain knew it at the round's snapshot. */
export interface Merger extends MergePeer {
  /** As {@link Neuron.stakeRao}. */
  readonly stakeRao: bigint;
}

/**
 * Everybody who may merge, in hotkey order: whoever has a permit and says on chain where its model server answers. The
 * same for all validators, as all read it at the same block.
 *
 * @param validators where the network names them: nobody besides, permit and address still needed.
 */
export function mergersOf({ neurons }: Pick<ChainSnapshot, "neurons">, validators?: readonly Hotkey[]): Merger[] {
  return neurons
    .filter(({ hotkey, validatorPermit }) => validatorPermit && (validators?.includes(hotkey) ?? true))
    .flatMap((neuron) => mergerOf(neuron) ?? [])
    .sort((a, b) => (a.hotkey < b.hotkey ? -1 : 1));
}

function mergerOf(neuron: Neuron): Merger | null {
  const url = axonUrl(neuron);
  return url === null ? null : { hotkey: neuron.hotkey, url, stakeRao: neuron.stakeRao };
}

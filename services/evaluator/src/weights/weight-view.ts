import type { ChainClient } from "@assay/chain/chain-client";
import type { WeightRules } from "@assay/chain/weight-rules";
import type { ChainSnapshot, Neuron } from "@assay/core/round/snapshot";
import type { Netuid } from "@assay/core/units";

/** What the newest block says of how and when our weights can be set. */
export interface WeightView {
  readonly rules: WeightRules;
  readonly snapshot: ChainSnapshot;
  /** Our neuron; null without a slot. */
  readonly own: Neuron | null;
}

/** @throws ChainError as its reads do: `CHAIN_SUBNET_UNKNOWN` and `CHAIN_INTERFACE_MISMATCH` among them. */
export async function readWeightView(chain: ChainClient, netuid: Netuid): Promise<WeightView> {
  const { hash } = chain.head();
  const [rules, snapshot] = await Promise.all([chain.weightRules(netuid, hash), chain.snapshot(netuid, hash)]);
  return { rules, snapshot, own: ownNeuron(snapshot, chain) };
}

export function ownNeuron({ neurons }: Pick<ChainSnapshot, "neurons">, { hotkey }: ChainClient): Neuron | null {
  return neurons.find((neuron) => neuron.hotkey === hotkey) ?? null;
}

import type { ChainClient } from "@assay/chain/chain-client";
import { readWeightFacts } from "@assay/chain/weight-facts";
import type { ChainSnapshot } from "@assay/core/round/snapshot";
import { type NoWeights, type PayingNetwork, type PlannedWeights, planWeights } from "@assay/core/weights/plan-weights";
import type { Ledger } from "@assay/ledger/ledger";
import { readWeightMemory } from "@assay/ledger/weight-memory";

/** The weights that follow from the ledger and a snapshot by the network's rules, or why there are none. */
export async function planWeightsAt(
  snapshot: ChainSnapshot,
  { chain, ledger }: { readonly chain: ChainClient; readonly ledger: Ledger },
  network: PayingNetwork,
): Promise<PlannedWeights | NoWeights> {
  const terms = { memory: await readWeightMemory(ledger), network, ownHotkey: chain.hotkey };
  return planWeights(await readWeightFacts(chain, snapshot, terms), network);
}

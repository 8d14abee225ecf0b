import type { Neuron, SubnetHyperparameters } from "@assay/core/round/snapshot";
import type { BlockHash, Netuid } from "@assay/core/units";
import { ChainError, ChainErrorCode } from "../chain-error.ts";

/** What one block says of a subnet, however it was read. */
export interface SubnetState {
  /** By uid. */
  readonly neurons: readonly Neuron[];
  /** All but the chain's own stake threshold. */
  readonly rules: Omit<SubnetHyperparameters, "stakeThresholdRao">;
}

export function subnetUnknown(netuid: Netuid, hash: BlockHash): ChainError {
  return new ChainError(ChainErrorCode.SubnetUnknown, "The subnet does not exist at that block", {
    fields: { netuid, hash },
  });
}

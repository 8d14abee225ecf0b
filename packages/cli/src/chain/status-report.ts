import type { SubnetHyperparameters } from "@assay/core/round/snapshot";
import type { BlockNumber, Netuid } from "@assay/core/units";
import type { OwnNeuron } from "../operator/own-neuron.ts";
import type { Problem } from "../operator/problem.ts";
import type { EndpointStatus } from "./endpoint-status.ts";

/** What `assay chain status` says. */
export interface ChainStatus {
  /** In the configured order. */
  readonly endpoints: readonly EndpointStatus[];
  /** As the first endpoint that knows the subnet tells; null when none does. */
  readonly subnet: SubnetStatus | null;
  /** Null when no wallet and no option names a hotkey. */
  readonly neuron: OwnNeuron | null;
  readonly problems: readonly Problem[];
}

interface SubnetStatus {
  readonly netuid: Netuid;
  readonly block: BlockNumber;
  readonly neurons: number;
  readonly permits: number;
  readonly hyperparameters: SubnetHyperparameters;
}

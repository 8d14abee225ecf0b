import type { Axon, SubnetHyperparameters } from "@assay/core/round/snapshot";
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
  /** Null without a neuron. */
  readonly axon: AxonStatus | null;
  readonly problems: readonly Problem[];
}

/** Where others find our model server. */
export interface AxonStatus {
  /** As the chain says; null when our neuron never served one. */
  readonly served: Axon | null;
  /** As the evaluator is told to; null when it is to put nothing on chain. */
  readonly configured: Axon | null;
}

interface SubnetStatus {
  readonly netuid: Netuid;
  readonly block: BlockNumber;
  readonly neurons: number;
  readonly permits: number;
  readonly hyperparameters: SubnetHyperparameters;
}

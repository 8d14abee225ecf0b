import type { ChainClient } from "@assay/chain/chain-client";
import type { CheckpointLayout } from "@assay/checkpoint/layout";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { EvaluatorMetrics } from "../metrics.ts";

/** What everything about weights stands on. */
export interface WeightComponents {
  readonly chain: ChainClient;
  readonly ledger: Ledger;
  /** Where an operator's stop lies. */
  readonly layout: Pick<CheckpointLayout, "weightStop">;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

export interface WeightOptions {
  /** Weights are planned and recorded, and none are signed. */
  readonly dryRun: boolean;
}

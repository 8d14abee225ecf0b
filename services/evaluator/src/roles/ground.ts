import type { CheckpointLayout } from "@assay/checkpoint/layout";
import type { Network } from "@assay/core/network";
import type { Startable } from "@assay/runtime/lifecycle/startable";
import type { Logger } from "@assay/runtime/logging/logger";
import type { RedisConnections } from "@assay/runtime/queue/connection";
import type { EvaluatorConfig } from "../config.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import type { ReadinessComponents } from "../readiness.ts";

/** What both roles stand on. */
export interface Ground {
  readonly config: EvaluatorConfig;
  readonly network: Network;
  readonly layout: CheckpointLayout;
  readonly redis: RedisConnections;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

/** A role's parts in the order in which they start, and what of them readiness asks. */
export interface Role extends Pick<ReadinessComponents, "chain" | "waiting"> {
  readonly parts: readonly Startable[];
}

import type { JobCatalog, QueueName } from "@assay/core/jobs/catalog";
import type { DownloadOutcome, EvaluationOutcome } from "@assay/core/scoring/outcome";

/** What became of one weight intent. */
export interface WeightOutcome {
  readonly intentId: string;
  /**
   * `verified`: finalised and read back equal. `superseded`: a newer intent took its place. `committed`: final, and
   * hidden until a later epoch. `reveal_lost`: they never appeared.
   */
  readonly state: "verified" | "superseded" | "expired" | "committed" | "reveal_lost";
}

/** What each queue's processor returns: BullMQ keeps only an error's message, so everything else travels as a result. */
export interface JobOutcomes {
  readonly downloads: DownloadOutcome;
  readonly evaluations: EvaluationOutcome;
  readonly weights: WeightOutcome;
}
export type JobPayload<N extends QueueName> = JobCatalog[N];
export type JobOutcome<N extends QueueName> = JobOutcomes[N];

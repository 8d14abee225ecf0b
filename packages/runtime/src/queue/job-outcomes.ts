import type { JobCatalog, QueueName } from "@assay/core/jobs/catalog";
import type { DownloadOutcome, EvaluationOutcome } from "@assay/core/scoring/outcome";

/** What became of one weight intent. */
export interface WeightOutcome {
  readonly intentId: string;
  /**
   * `verified`: finalised and read back equal. `committed`: final, and hidden until a later epoch. `waiting`: something
   * stands in the way, and nothing was sent. `outdated`: to be planned anew. `foreign`: another process used the window.
   * The others are failures by the intent's own reason.
   */
  readonly state:
    | "verified"
    | "committed"
    | "waiting"
    | "outdated"
    | "foreign"
    | "superseded"
    | "expired"
    | "reveal_lost"
    | "not_verified";
}

/** What each queue's processor returns: BullMQ keeps only an error's message, so everything else travels as a result. */
export interface JobOutcomes {
  readonly downloads: DownloadOutcome;
  readonly evaluations: EvaluationOutcome;
  readonly weights: WeightOutcome;
}
export type JobPayload<N extends QueueName> = JobCatalog[N];
export type JobOutcome<N extends QueueName> = JobOutcomes[N];

import type { MeasuringRuntime } from "@assay/core/scoring/outcome";
import type { ExpertGroup, NatsPerToken } from "@assay/core/units";
import type { EvaluationRequest } from "./evaluator.ts";
import type { Batch } from "./text/batches.ts";

/** One forward pass over some batches: of the base, or of the base with a submission's experts in its place. */
export interface LossRequest {
  readonly base: EvaluationRequest["base"];
  /** Decides the order of additions, for the base as well: only losses of one group compare to the last bit. */
  readonly group: ExpertGroup;
  /** Null for the base as it is. */
  readonly submission: EvaluationRequest["submission"] | null;
  readonly batches: BatchSet;
}

/** Batches under a name that stands for their content, so that what was computed from them can be kept. */
export interface BatchSet {
  readonly key: string;
  readonly batches: readonly Batch[];
}

/** Computes losses. Knows nothing of text, seeds and scores. */
export interface LossBackend {
  /** Largest difference that another machine, thread count or batch size makes in a mean loss. */
  readonly band: NatsPerToken;
  /** What computes, on what. */
  readonly runtime: Omit<MeasuringRuntime, "node">;
  /**
   * Each batch's cross-entropy in nats, summed over its tokens in float64; not finite where a token's loss is not.
   *
   * @throws AppError for every failure of ours; the signal's reason when aborted.
   */
  losses(request: LossRequest, signal: AbortSignal): Promise<readonly number[]>;
  /** A hint: this will be asked for next. Whatever goes wrong shows when it is. */
  prepare?(request: Pick<EvaluationRequest, "base" | "group" | "submission">): void;
  /** Frees what was loaded; the next request loads it anew. */
  release(): Promise<void>;
}

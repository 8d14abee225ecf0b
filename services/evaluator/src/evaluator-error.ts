import { AppError } from "@assay/core/app-error";

/** Every way the evaluator itself can fail, beside what its parts report. */
export const EvaluatorErrorCode = {
  /** A job came before the round or the receipt it is about; it is tried again. */
  JobTooEarly: "EVALUATOR_JOB_TOO_EARLY",
  /** A submission could not be fetched in any attempt; its miner gets no point for the round. */
  DownloadFailed: "EVALUATOR_DOWNLOAD_FAILED",
  /** A submission could not be measured in any attempt, for a reason without a code; its miner gets no point. */
  EvaluationFailed: "EVALUATOR_EVALUATION_FAILED",
  /** The weights on chain are not the ones we set. */
  WeightsNotVerified: "EVALUATOR_WEIGHTS_NOT_VERIFIED",
  /** The commitment on chain is not the one we sent. */
  CommitmentNotVerified: "EVALUATOR_COMMITMENT_NOT_VERIFIED",
  /** The axon on chain is not the one we sent. */
  AxonNotVerified: "EVALUATOR_AXON_NOT_VERIFIED",
} as const;
export type EvaluatorErrorCode = (typeof EvaluatorErrorCode)[keyof typeof EvaluatorErrorCode];

export class EvaluatorError extends AppError<EvaluatorErrorCode> {}

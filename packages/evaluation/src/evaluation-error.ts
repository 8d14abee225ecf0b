import { AppError } from "@assay/core/app-error";

/** Every way an evaluation can fail for a reason that is ours. Codes are stable: dashboards and runbooks use them. */
export const EvaluationErrorCode = {
  /** The model's `config.json` asks for an architecture or a feature that we cannot compute; name in `fields.feature`. */
  ModelUnsupported: "EVALUATION_MODEL_UNSUPPORTED",
  /** `config.json` or the tensors of a version are incomplete or contradict each other; the version must be replaced. */
  ModelInvalid: "EVALUATION_MODEL_INVALID",
  /** The base model itself gives a loss that is not finite: nothing can be scored against it. */
  BaseLossInvalid: "EVALUATION_BASE_LOSS_INVALID",
  /** The held-out text cannot be read, or yields not a single sequence. */
  DatasetInvalid: "EVALUATION_DATASET_INVALID",
  /** A token's id lies outside the model's vocabulary: tokenizer and model do not belong together. */
  TokenizerMismatch: "EVALUATION_TOKENIZER_MISMATCH",
  /** A submission that was inspected and accepted is gone, or no longer has those bytes or tensors. */
  SubmissionChanged: "EVALUATION_SUBMISSION_CHANGED",
  /** The request names an expert group that the version does not have. */
  GroupUnknown: "EVALUATION_GROUP_UNKNOWN",
  /** One measurement took longer than `timeoutMillis` (in-process only; a child's deadline is `CHILD_DEADLINE`). */
  Deadline: "EVALUATION_DEADLINE",
  /** The evaluator was asked to measure before it was started or after it was stopped. */
  NotRunning: "EVALUATION_NOT_RUNNING",
  /** Something broke inside the process that computes (an allocation that failed, an error of the native runtime). */
  EngineFailed: "EVALUATION_ENGINE_FAILED",
  /** The device that was asked for cannot be used; why in `fields.why`. Nothing is measured on another in its place. */
  DeviceUnavailable: "EVALUATION_DEVICE_UNAVAILABLE",
  /** The program of `evaluation.backend_command` said something that the protocol does not know; it was killed. */
  BackendProtocol: "EVALUATION_BACKEND_PROTOCOL",
  /** The program of `evaluation.backend_command` reported a failure of its own; its code in `fields.backendCode`. */
  BackendFailed: "EVALUATION_BACKEND_FAILED",
} as const;
export type EvaluationErrorCode = (typeof EvaluationErrorCode)[keyof typeof EvaluationErrorCode];

/** Our own failure to measure. It never costs a miner anything. */
export class EvaluationError extends AppError<EvaluationErrorCode> {}

import { AppError } from "@assay/core/app-error";

/** Every way the checkpoint package can fail. Codes are stable: dashboards and runbooks use them. */
export const CheckpointErrorCode = {
  /** Stored bytes do not hash to the manifest's digest; the version must not be served or evaluated. */
  HashMismatch: "CHECKPOINT_HASH_MISMATCH",
  /** The volume has less free space than the next write needs; an operator must act. */
  VolumeFull: "CHECKPOINT_VOLUME_FULL",
  /** The version exists already with other content. */
  VersionConflict: "CHECKPOINT_VERSION_CONFLICT",
  /** The version, or one of its files, is not in the store. */
  VersionMissing: "CHECKPOINT_VERSION_MISSING",
  /** `manifest.json`, `current.json` or another file that we wrote ourselves does not parse. */
  ManifestInvalid: "CHECKPOINT_MANIFEST_INVALID",
  /** The model folder cannot be imported: files missing, malformed, or experts that cannot be split into groups. */
  ModelInvalid: "CHECKPOINT_MODEL_INVALID",
  /** The store was started from another model, or from the same one cut into other groups. */
  ModelConflict: "CHECKPOINT_MODEL_CONFLICT",
  /** A file of the model that the store was started from, and reads in place, is gone or holds other bytes. */
  ModelChanged: "CHECKPOINT_MODEL_CHANGED",
  /** The checkpoint directory was written by an earlier release, which named versions otherwise; start an empty one. */
  StoreOutdated: "CHECKPOINT_STORE_OUTDATED",
  /** The expert assignment contradicts itself or the model. */
  AssignmentInvalid: "CHECKPOINT_ASSIGNMENT_INVALID",
  /** One of our own files is not valid safetensors. A miner's file is rejected by inspection before. */
  FileMalformed: "CHECKPOINT_FILE_MALFORMED",
  /** The tensor's dtype has no float32 equivalent here. */
  DtypeUnsupported: "CHECKPOINT_DTYPE_UNSUPPORTED",
  /** Two files that must hold the same tensors do not. */
  TensorsDiffer: "CHECKPOINT_TENSORS_DIFFER",
  /** A merge gave a value that is NaN or infinite; nothing was written. */
  MergeNonFinite: "CHECKPOINT_MERGE_NON_FINITE",
  /** A receipt in the inbox does not parse. */
  ReceiptInvalid: "CHECKPOINT_RECEIPT_INVALID",
  /** A download used up its attempts. */
  DownloadFailed: "CHECKPOINT_DOWNLOAD_FAILED",
  /** A model server answered what repeating will not change: a refusal, or a manifest that does not add up. */
  DownloadRefused: "CHECKPOINT_DOWNLOAD_REFUSED",
  /** A download did not end before its deadline. */
  DownloadDeadline: "CHECKPOINT_DOWNLOAD_DEADLINE",
} as const;
export type CheckpointErrorCode = (typeof CheckpointErrorCode)[keyof typeof CheckpointErrorCode];

/** A failure of ours around files, never a miner's. */
export class CheckpointError extends AppError<CheckpointErrorCode> {}

import { AppError } from "@assay/core/app-error";

/** Every way an S3-compatible store can refuse us. `fields.setting` names the configuration value that is wrong. */
export const ObjectStoreErrorCode = {
  /** No answer from the endpoint: no such host, refused, no route, or not in time. */
  Unreachable: "OBJECT_STORE_UNREACHABLE",
  /** The endpoint's certificate is not trusted or another host's, or one side speaks TLS and the other does not. */
  Tls: "OBJECT_STORE_TLS",
  /** The store wants requests signed for another region; `fields.expected` where it says which. */
  Region: "OBJECT_STORE_REGION",
  /** There is no such bucket, or its name cannot be one. */
  Bucket: "OBJECT_STORE_BUCKET",
  /** The store finds the bucket only in the path, or only in the host name. */
  PathStyle: "OBJECT_STORE_PATH_STYLE",
  /** The store does not know the access key. */
  AccessKey: "OBJECT_STORE_ACCESS_KEY",
  /** The signature does not fit: the secret of another key. */
  SecretKey: "OBJECT_STORE_SECRET_KEY",
  /** The key may not do this; `fields.operation` says what. */
  Denied: "OBJECT_STORE_DENIED",
  /** This machine's clock or the store's is too far off for signed requests. */
  Clock: "OBJECT_STORE_CLOCK",
  /** What came back is not what was put there. */
  Corrupt: "OBJECT_STORE_CORRUPT",
  /** Anything else; retryable when the store says that it is its own failure. */
  Failed: "OBJECT_STORE_FAILED",
} as const;
export type ObjectStoreErrorCode = (typeof ObjectStoreErrorCode)[keyof typeof ObjectStoreErrorCode];

/** A failure between us and an object store. Its fields hold neither keys nor signed URLs. */
export class ObjectStoreError extends AppError<ObjectStoreErrorCode> {}

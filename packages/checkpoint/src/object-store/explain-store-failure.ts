import type { ErrorFields } from "@assay/core/app-error";
import { ObjectStoreError, ObjectStoreErrorCode } from "./object-store-error.ts";
import type { ObjectStoreOptions } from "./object-store-options.ts";

/** What a key must be allowed to do. */
export type StoreOperation = "put" | "get" | "delete";

type Reason = readonly [code: ObjectStoreErrorCode, setting: string | undefined, message: string];

/**
 * A failure of the SDK in our words, with the setting that is most likely wrong.
 *
 * The SDK's own error is no cause of it: its request holds signatures.
 */
export function explained(error: unknown, operation: StoreOperation, options: ObjectStoreOptions): ObjectStoreError {
  if (error instanceof ObjectStoreError) return error;
  const { name, code, status, message, region } = factsOf(error);
  const [ours, setting, text] = reasonOf({ name, code, status }, options);
  const fields: ErrorFields = {
    setting: setting === undefined ? undefined : `object_store.${setting}`,
    operation,
    reason: code ?? name,
    status,
    expected: ours === ObjectStoreErrorCode.Region ? region : undefined,
    detail: setting === undefined ? message.slice(0, 200) : undefined,
  };
  const retryable = ours === ObjectStoreErrorCode.Unreachable || (status ?? 0) >= 500 || status === 429;
  return new ObjectStoreError(ours, text, { retryable, fields });
}

/** Whether the store says that there is no such object or upload. A bucket that is not there is another matter. */
export function isMissing(error: unknown): boolean {
  const { name, status } = factsOf(error);
  return name === "NoSuchKey" || name === "NoSuchUpload" || (status === 404 && name !== "NoSuchBucket");
}

interface Facts {
  /** The store's name of the error. */
  readonly name: string;
  /** The system's, when there was no answer. */
  readonly code: string | undefined;
  readonly status: number | undefined;
  readonly message: string;
  readonly region: string | undefined;
}

function factsOf(error: unknown): Facts {
  if (!(error instanceof Error)) {
    return { name: "", code: undefined, status: undefined, message: String(error), region: undefined };
  }
  const { $metadata, Code, Region, code } = error as Error & {
    readonly $metadata?: { readonly httpStatusCode?: number };
    readonly Code?: string;
    readonly Region?: string;
    readonly code?: string;
  };
  const status = $metadata?.httpStatusCode;
  const ofSystem =
    status === undefined ? (code ?? (error.name === "TimeoutError" ? "ETIMEDOUT" : undefined)) : undefined;
  return { name: Code ?? error.name, code: ofSystem, status, message: error.message, region: Region };
}

function reasonOf(facts: Pick<Facts, "name" | "code" | "status">, options: ObjectStoreOptions): Reason {
  return (
    (facts.code === undefined ? undefined : connectionReason(facts.code, options)) ??
    BY_NAME[facts.name] ??
    statusReason(facts.status) ?? [ObjectStoreErrorCode.Failed, undefined, "The object store failed"]
  );
}

function connectionReason(code: string, { pathStyle }: ObjectStoreOptions): Reason | undefined {
  if (code === "ENOTFOUND" || code === "EAI_AGAIN" || code === "ENODATA") {
    // Whether the endpoint itself has an address, `checkObjectStore` finds out.
    const text = pathStyle ? "The endpoint's host has no address" : "The bucket's host name has no address";
    return [ObjectStoreErrorCode.Unreachable, "endpoint", text];
  }
  if (TLS_CODE.test(code)) return [ObjectStoreErrorCode.Tls, "endpoint", "TLS with the endpoint fails"];
  if (code.startsWith("HPE_")) return [ObjectStoreErrorCode.Corrupt, undefined, "The store's answer is no HTTP"];
  if (CONNECTION_CODE.test(code)) return [ObjectStoreErrorCode.Unreachable, "endpoint", "The endpoint does not answer"];
  return undefined;
}

const TLS_CODE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME|^ERR_SSL|^ERR_TLS|^EPROTO$/;
const CONNECTION_CODE = /^(?:ECONN\w+|E\w*TIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE|EADDRNOTAVAIL)$/;

const REGION: Reason = [ObjectStoreErrorCode.Region, "region", "The store wants another region"];
const BUCKET_NAME: Reason = [ObjectStoreErrorCode.Bucket, "bucket", "This cannot be a bucket's name"];
const DENIED: Reason = [ObjectStoreErrorCode.Denied, "access_key_id", "The key may not do this"];

const BY_NAME: Readonly<Record<string, Reason>> = {
  NoSuchBucket: [ObjectStoreErrorCode.Bucket, "bucket", "There is no such bucket"],
  InvalidBucketName: BUCKET_NAME,
  AuthorizationHeaderMalformed: REGION,
  IllegalLocationConstraintException: REGION,
  PermanentRedirect: REGION,
  TemporaryRedirect: REGION,
  InvalidAccessKeyId: [ObjectStoreErrorCode.AccessKey, "access_key_id", "The store does not know the access key"],
  SignatureDoesNotMatch: [ObjectStoreErrorCode.SecretKey, "secret_access_key", "The signature does not fit"],
  RequestTimeTooSkewed: [ObjectStoreErrorCode.Clock, undefined, "Our clock and the store's are too far apart"],
  AccessDenied: DENIED,
};

function statusReason(status: number | undefined): Reason | undefined {
  if (status === 301) return REGION;
  if (status === 403) return DENIED;
  return undefined;
}

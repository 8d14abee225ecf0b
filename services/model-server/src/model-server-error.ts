import { AppError } from "@assay/core/app-error";

/** Every way the model server itself can fail. Codes are stable: dashboards and runbooks use them. */
export const ModelServerErrorCode = {
  /** `BZ_AUTH_TOKEN` is not in the environment; nothing is served without it but in development. */
  TokenMissing: "MODEL_SERVER_TOKEN_MISSING",
  /** `tls.certificate` and `tls.key` cannot be read, are not PEM, or do not belong together. */
  CertificateInvalid: "MODEL_SERVER_CERTIFICATE_INVALID",
  /** The version in `current.json` cannot be served: its `config.json` is missing or does not parse. */
  ModelUnreadable: "MODEL_SERVER_MODEL_UNREADABLE",
} as const;
export type ModelServerErrorCode = (typeof ModelServerErrorCode)[keyof typeof ModelServerErrorCode];

export class ModelServerError extends AppError<ModelServerErrorCode> {}

import { AppError } from "@assay/core/app-error";

/** Every way an encrypted session can fail. Codes are stable: dashboards and runbooks use them. */
export const SessionErrorCode = {
  /** A record was changed, reordered, repeated or made under other keys, or is none; nothing of it was taken. */
  RecordInvalid: "SESSION_RECORD_INVALID",
  /** The connection ended before the other side had said that it was done. */
  Truncated: "SESSION_TRUNCATED",
  /** The server's key is not signed by the validator's hotkey, or its signature is not good at this block. */
  KeyRefused: "SESSION_KEY_REFUSED",
  /** The server answered without beginning a session, or with something that is none. */
  Refused: "SESSION_REFUSED",
} as const;
export type SessionErrorCode = (typeof SessionErrorCode)[keyof typeof SessionErrorCode];

/** A session that did not come about, or had to be ended. */
export class SessionError extends AppError<SessionErrorCode> {}

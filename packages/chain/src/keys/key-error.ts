import { AppError } from "@assay/core/app-error";

/** Every way a key can fail to open. Codes are stable: dashboards and runbooks use them. No error holds a secret. */
export const KeyErrorCode = {
  /** The hotkey's secret or file is malformed, or the file's address belongs to another secret. */
  Invalid: "CHAIN_HOTKEY_INVALID",
  /** There is no such hotkey file; check `wallet.path`, `wallet.name` and `wallet.hotkey`. */
  Missing: "CHAIN_HOTKEY_MISSING",
  /** The hotkey file is there and this process may not read it, or it is no file; `fields.reason` is the system's word. */
  Unreadable: "CHAIN_HOTKEY_UNREADABLE",
  /** The hotkey file is encrypted and no password was given: `WALLET_HOTKEY_PASSWORD` or `WALLET_HOTKEY_PASSWORD_FILE`. */
  PasswordMissing: "CHAIN_HOTKEY_PASSWORD_MISSING",
  /** The password does not open the hotkey file, or the file is damaged: the two cannot be told apart. */
  PasswordWrong: "CHAIN_HOTKEY_PASSWORD_WRONG",
  /** The hotkey file is encrypted in a way that is not read here; `fields.encryption` says which. */
  EncryptionUnsupported: "CHAIN_HOTKEY_ENCRYPTION_UNSUPPORTED",
  /** A warning and never an end: other users of this machine may read or write the hotkey file. Set its mode to 600. */
  Permissions: "CHAIN_HOTKEY_PERMISSIONS",
} as const;
export type KeyErrorCode = (typeof KeyErrorCode)[keyof typeof KeyErrorCode];

export class KeyError extends AppError<KeyErrorCode> {}

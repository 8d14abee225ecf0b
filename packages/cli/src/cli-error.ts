import { AppError } from "@assay/core/app-error";

/** What the command itself refuses. Codes are stable: scripts use them. */
export const CliErrorCode = {
  /** The arguments are not understood; the exit code is 2. */
  Usage: "CLI_USAGE",
  /** A folder that was to be written is there and not empty, and `--force` was not given. */
  FolderNotEmpty: "CLI_FOLDER_NOT_EMPTY",
  /** A file that was named cannot be read. */
  FileUnreadable: "CLI_FILE_UNREADABLE",
  /** Weights were to be set without `--dry-run`: only the evaluator signs. */
  DoesNotSign: "CLI_DOES_NOT_SIGN",
  /** The chain knows no validator of this uid or hotkey, or it says no address. Nothing of ours is wrong. */
  PeerUnknown: "CLI_PEER_UNKNOWN",
  /** The address that a validator says leads where nobody may be asked; its own fault. */
  PeerAddressForbidden: "CLI_PEER_ADDRESS_FORBIDDEN",
  /** A validator's model server does not answer in time, or not now; whose fault cannot be told from here. */
  PeerUnreachable: "CLI_PEER_UNREACHABLE",
  /** What a validator's model server answers is too long, of another form, or not signed by whom it should; its fault. */
  PeerAnswerInvalid: "CLI_PEER_ANSWER_INVALID",
  /** A validator's digests are not those of its own bundle; its fault. */
  PeerContradicts: "CLI_PEER_CONTRADICTS_ITSELF",
  /** Our own digests or bundle are not where they should be, or cannot be read; ours to mend. */
  OwnDigestsUnreadable: "CLI_OWN_DIGESTS_UNREADABLE",
  /** There is no cycle, or not the one that was named, of which both validators show digests. */
  NoCommonCycle: "CLI_NO_COMMON_CYCLE",
  /** The command was interrupted. */
  Interrupted: "CLI_INTERRUPTED",
  /** Anything that has no code of its own, a bug among them. */
  Unexpected: "CLI_UNEXPECTED",
} as const;
export type CliErrorCode = (typeof CliErrorCode)[keyof typeof CliErrorCode];

export class CliError extends AppError<CliErrorCode> {}

/** For arguments that a person typed; `message` says which and why. */
export function usageError(message: string): CliError {
  return new CliError(CliErrorCode.Usage, message);
}

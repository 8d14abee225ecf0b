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

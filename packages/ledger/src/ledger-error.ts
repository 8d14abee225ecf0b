import { AppError } from "@assay/core/app-error";

/** Every way the ledger can fail. Codes are stable: dashboards and runbooks use them. */
export const LedgerErrorCode = {
  /** The file is not a sound SQLite database. It is kept as it is; an operator restores a copy or moves it away. */
  Corrupt: "LEDGER_CORRUPT",
  /** The file was written by a newer release; run that release or restore an older copy. */
  TooNew: "LEDGER_TOO_NEW",
  /** The file or its folder cannot be opened or created; check path and permissions. */
  CannotOpen: "LEDGER_CANNOT_OPEN",
  /** The volume is full; nothing of the transaction was kept. */
  VolumeFull: "LEDGER_VOLUME_FULL",
  /** Another process held the file for longer than the busy timeout; only one cycle role may run. */
  Busy: "LEDGER_BUSY",
  /** SQLite refused a statement for another reason; nothing of the transaction was kept. */
  StatementFailed: "LEDGER_STATEMENT_FAILED",
  /** Another plan is already recorded under the round's id. */
  RoundConflict: "LEDGER_ROUND_CONFLICT",
  /** A row names a round that was never saved. */
  RoundUnknown: "LEDGER_ROUND_UNKNOWN",
  /** The round already has another seed. */
  SeedConflict: "LEDGER_SEED_CONFLICT",
  /** Other contents are already recorded under the intent's id. */
  IntentConflict: "LEDGER_INTENT_CONFLICT",
  /** No intent has this id. */
  IntentUnknown: "LEDGER_INTENT_UNKNOWN",
  /** The intent is verified or failed and stays so. */
  IntentSettled: "LEDGER_INTENT_SETTLED",
  /** Other bytes are already recorded as committed at this step of this cycle. */
  CommitmentConflict: "LEDGER_COMMITMENT_CONFLICT",
  /** Another merge is already recorded for this cycle. */
  MergeConflict: "LEDGER_MERGE_CONFLICT",
} as const;
export type LedgerErrorCode = (typeof LedgerErrorCode)[keyof typeof LedgerErrorCode];

/** The ledger's own failure; never a miner's. */
export class LedgerError extends AppError<LedgerErrorCode> {}

/** Translates what SQLite threw; anything else passes unchanged. */
export function toLedgerError(error: unknown): unknown {
  const code = sqliteCodeOf(error);
  if (code === null) {
    return error;
  }
  const translation = TRANSLATIONS.find(([prefix]) => code.startsWith(prefix));
  const [, ledgerCode, message, retryable] = translation ?? OTHERWISE;
  return new LedgerError(ledgerCode, message, { retryable, fields: { sqlite: code }, cause: error });
}

type Translation = readonly [prefix: string, code: LedgerErrorCode, message: string, retryable: boolean];

const TRANSLATIONS: readonly Translation[] = [
  ["SQLITE_CORRUPT", LedgerErrorCode.Corrupt, "The ledger's file is damaged", false],
  ["SQLITE_NOTADB", LedgerErrorCode.Corrupt, "The ledger's file is not a SQLite database", false],
  ["SQLITE_CANTOPEN", LedgerErrorCode.CannotOpen, "The ledger's file cannot be opened", false],
  ["SQLITE_READONLY", LedgerErrorCode.CannotOpen, "The ledger's file cannot be written", false],
  ["SQLITE_FULL", LedgerErrorCode.VolumeFull, "The ledger's volume is full", true],
  ["SQLITE_BUSY", LedgerErrorCode.Busy, "Another process holds the ledger", true],
  ["SQLITE_CONSTRAINT_FOREIGNKEY", LedgerErrorCode.RoundUnknown, "The row names a round that was never saved", false],
];
const OTHERWISE: Translation = ["", LedgerErrorCode.StatementFailed, "SQLite refused a statement", false];

function sqliteCodeOf(error: unknown): string | null {
  if (error instanceof Error && "code" in error && typeof error.code === "string" && error.code.startsWith("SQLITE_")) {
    return error.code;
  }
  return null;
}

import type { DownloadOutcome, NoSubmission } from "@assay/core/scoring/outcome";
import type { RoundId } from "@assay/core/units";
import type { LedgerDatabase } from "./ledger-database.ts";
import { listOutcomes, type Recording, recordOutcome } from "./outcome-table.ts";

export type SubmissionRecord = DownloadOutcome | NoSubmission;

/** What became of each miner's submission, one row per (round, uid). */
export class SubmissionRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Records the first outcome and keeps it; only `none` is replaced. A second, different one becomes an event. */
  record(outcome: SubmissionRecord): Promise<Recording> {
    return this.#database.transact((transaction) =>
      recordOutcome(transaction, { table: "submissions", replaceable: "none" }, outcome),
    );
  }

  /** All outcomes of a round, by uid. */
  list(roundId: RoundId): Promise<readonly SubmissionRecord[]> {
    return this.#database.transact((transaction) =>
      listOutcomes<SubmissionRecord>(transaction, "submissions", roundId),
    );
  }
}

import type { EvaluationOutcome, OutcomeKey } from "@assay/core/scoring/outcome";
import type { RoundId } from "@assay/core/units";
import type { LedgerDatabase } from "./ledger-database.ts";
import { listOutcomes, type Recording, recordOutcome } from "./outcome-table.ts";

/** We could not measure the submission. Ours, so it costs the miner nothing, and a real outcome replaces it. */
type FailedEvaluation = OutcomeKey & {
  readonly kind: "failed";
  readonly code: string;
  readonly message: string;
};
export type EvaluationRecord = EvaluationOutcome | FailedEvaluation;

/** What was measured of each miner's submission, one row per (round, uid). */
export class EvaluationRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Records the first outcome and keeps it; only `failed` is replaced. A second, different one becomes an event. */
  record(outcome: EvaluationRecord): Promise<Recording> {
    return this.#database.transact((transaction) =>
      recordOutcome(transaction, { table: "evaluations", replaceable: "failed" }, outcome),
    );
  }

  /** All outcomes of a round, by uid. */
  list(roundId: RoundId): Promise<readonly EvaluationRecord[]> {
    return this.#database.transact((transaction) =>
      listOutcomes<EvaluationRecord>(transaction, "evaluations", roundId),
    );
  }
}

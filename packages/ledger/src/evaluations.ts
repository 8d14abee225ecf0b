import type { MeasuredSpeed } from "@assay/core/round/evaluation-plan";
import type { EvaluationOutcome, FailedEvaluation } from "@assay/core/scoring/outcome";
import type { RoundId } from "@assay/core/units";
import { sql } from "kysely";
import type { LedgerDatabase } from "./ledger-database.ts";
import { listOutcomes, type Recording, recordOutcome } from "./outcome-table.ts";

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

  /** How long the newest measurements took, newest round first; without those whose miner is not on its round's roster. */
  recentSpeeds(limit: number): Promise<readonly MeasuredSpeed[]> {
    return this.#database.transact(async (transaction) => {
      const { rows } = await sql<MeasuredSpeed>`
        WITH newest AS MATERIALIZED (
          SELECT round_id, uid, json_extract(outcome, '$.seconds') AS seconds FROM evaluations
          WHERE kind = 'scored' ORDER BY round_id DESC, uid DESC LIMIT ${limit}
        ), entries AS MATERIALIZED (
          SELECT rounds.id AS round_id, json_extract(value, '$.uid') AS uid, json_extract(value, '$.group') AS expert_group
          FROM rounds JOIN json_each(rounds.plan, '$.roster')
          WHERE rounds.id IN (SELECT round_id FROM newest)
        )
        SELECT expert_group AS "group", seconds FROM newest JOIN entries USING (round_id, uid)
        ORDER BY round_id DESC, uid`.execute(transaction);
      return rows;
    });
  }

  /** All outcomes of a round, by uid. */
  list(roundId: RoundId): Promise<readonly EvaluationRecord[]> {
    return this.#database.transact((transaction) =>
      listOutcomes<EvaluationRecord>(transaction, "evaluations", roundId),
    );
  }
}

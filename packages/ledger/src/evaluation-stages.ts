import type { RoundId } from "@assay/core/units";
import type { EvaluationRecord } from "./evaluations.ts";
import type { LedgerDatabase } from "./ledger-database.ts";

/** What came of one stage of one submission. */
export interface EvaluationStage {
  /** From 0. */
  readonly stage: number;
  readonly outcome: EvaluationRecord;
}

/** What was measured in stages, one row per (round, uid, stage). What a submission's stages come to is an evaluation. */
export class EvaluationStageRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Records a stage's first outcome and keeps it: what was decided by it is decided. */
  record({ stage, outcome }: EvaluationStage): Promise<void> {
    return this.#database.transact(async (transaction) => {
      const { roundId, uid } = outcome;
      await transaction
        .insertInto("evaluation_stages")
        .values({ round_id: roundId, uid, stage, outcome: JSON.stringify(outcome) })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    });
  }

  /** All stages of a round, by uid and stage. */
  list(roundId: RoundId): Promise<readonly EvaluationStage[]> {
    return this.#database.transact(async (transaction) => {
      const rows = await transaction
        .selectFrom("evaluation_stages")
        .select(["stage", "outcome"])
        .where("round_id", "=", roundId)
        .orderBy("uid")
        .orderBy("stage")
        .execute();
      return rows.map(({ stage, outcome }) => ({ stage, outcome: JSON.parse(outcome) as EvaluationRecord }));
    });
  }
}

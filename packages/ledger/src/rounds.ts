import { isDeepStrictEqual } from "node:util";
import type { Round } from "@assay/core/round/round";
import type { RoundId } from "@assay/core/units";
import type { LedgerDatabase, LedgerTransaction } from "./ledger-database.ts";
import { LedgerError, LedgerErrorCode } from "./ledger-error.ts";
import type { RoundRow } from "./schema.ts";

/** A planned round and what became known of it later. */
export interface RoundRecord {
  readonly round: Round;
  /** Hexadecimal seed of the evaluation; null until submissions closed. */
  readonly seed: string | null;
  readonly closed: boolean;
}

/** The plans of all cycles. A plan never changes after it was saved. */
export class RoundRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Saves a plan. The same plan again is harmless; another one under its id is `LEDGER_ROUND_CONFLICT`. */
  save(round: Round): Promise<void> {
    return this.#database.transact(async (transaction) => {
      const existing = await findRound(transaction, round.id);
      if (existing === null) {
        await transaction
          .insertInto("rounds")
          .values({ id: round.id, cycle: round.cycle, plan: JSON.stringify(round), seed: null, closed: 0 })
          .execute();
      } else if (!isDeepStrictEqual(existing.round, JSON.parse(JSON.stringify(round)))) {
        throw new LedgerError(LedgerErrorCode.RoundConflict, "Another plan is recorded under this round's id", {
          fields: { roundId: round.id, cycle: round.cycle },
        });
      }
    });
  }

  get(id: RoundId): Promise<RoundRecord | null> {
    return this.#database.transact((transaction) => findRound(transaction, id));
  }

  /** Rounds not closed yet, oldest first. */
  open(): Promise<readonly RoundRecord[]> {
    return this.#database.transact(async (transaction) => {
      const rows = await transaction.selectFrom("rounds").selectAll().where("closed", "=", 0).orderBy("id").execute();
      return rows.map(toRecord);
    });
  }

  latestClosed(): Promise<RoundRecord | null> {
    return this.#database.transact(async (transaction) => {
      const row = await transaction
        .selectFrom("rounds")
        .selectAll()
        .where("closed", "=", 1)
        .orderBy("id", "desc")
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? null : toRecord(row);
    });
  }

  /** Sets the seed once; the same seed again is harmless, another one is `LEDGER_SEED_CONFLICT`. */
  setSeed(id: RoundId, seed: string): Promise<void> {
    return this.#database.transact(async (transaction) => {
      const { seed: existing } = await requireRound(transaction, id);
      if (existing === null) {
        await transaction.updateTable("rounds").set({ seed }).where("id", "=", id).execute();
      } else if (existing !== seed) {
        throw new LedgerError(LedgerErrorCode.SeedConflict, "The round already has another seed", {
          fields: { roundId: id, existing, seed },
        });
      }
    });
  }

  /** Closes a round that leaves no scores; a round with scores is closed together with them. */
  close(id: RoundId): Promise<void> {
    return this.#database.transact(async (transaction) => {
      await requireRound(transaction, id);
      await markRoundClosed(transaction, id);
    });
  }
}

/** The round of this id, or `LEDGER_ROUND_UNKNOWN`. */
export async function requireRound(transaction: LedgerTransaction, id: RoundId): Promise<RoundRecord> {
  const record = await findRound(transaction, id);
  if (record === null) {
    throw new LedgerError(LedgerErrorCode.RoundUnknown, "No round has this id", { fields: { roundId: id } });
  }
  return record;
}

/** Closes the round within the caller's transaction. */
export async function markRoundClosed(transaction: LedgerTransaction, id: RoundId): Promise<void> {
  await transaction.updateTable("rounds").set({ closed: 1 }).where("id", "=", id).execute();
}

async function findRound(transaction: LedgerTransaction, id: RoundId): Promise<RoundRecord | null> {
  const row = await transaction.selectFrom("rounds").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : toRecord(row);
}

function toRecord(row: RoundRow): RoundRecord {
  return { round: JSON.parse(row.plan) as Round, seed: row.seed, closed: row.closed === 1 };
}

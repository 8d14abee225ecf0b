import type { FailedEvaluation } from "@assay/core/scoring/outcome";
import type { ScoreState } from "@assay/core/scoring/round-scores";
import type { EpochMillis, RoundId, Sha256Hex, Uid } from "@assay/core/units";
import type { LedgerDatabase, LedgerTransaction } from "./ledger-database.ts";
import { requireRound } from "./rounds.ts";

/** What a round's scores were made of, as far as it does not stand in other rows for good. */
export interface ClosingFindings {
  readonly doorWasOpen: boolean;
  /** From whom a submission came in time. */
  readonly arrived: readonly Uid[];
  /** Of whose submission an outcome was recorded. */
  readonly submissions: readonly Uid[];
  /** Of whose evaluation an outcome was recorded that nothing replaces. */
  readonly evaluations: readonly Uid[];
  /** Those that failed until then: an outcome may have taken their place since. */
  readonly failures: readonly FailedEvaluation[];
}

/** A closed round's findings with all standings before and after it, by uid. */
export interface RoundClosing extends ClosingFindings {
  readonly before: readonly ScoreState[];
  readonly after: readonly ScoreState[];
}

/** A bundle of receipts as it was first made. */
export interface BundleNote {
  readonly cycle: number;
  readonly roundId: RoundId;
  readonly root: Sha256Hex;
  readonly closedAt: EpochMillis;
  readonly written: boolean;
}

/** What receipts are made of, and of which rounds they were made. */
export class ReceiptRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Closed rounds without a bundle whose findings are known, oldest first. */
  due(): Promise<readonly RoundId[]> {
    return this.#database.transact(async (transaction) => {
      const rows = await transaction
        .selectFrom("round_closings")
        .leftJoin("receipt_bundles", "receipt_bundles.round_id", "round_closings.round_id")
        .select("round_closings.round_id")
        .where("receipt_bundles.cycle", "is", null)
        .orderBy("round_closings.round_id")
        .execute();
      return rows.map(({ round_id }) => round_id);
    });
  }

  /** Null for a round that an older release closed. */
  closing(roundId: RoundId): Promise<RoundClosing | null> {
    return this.#database.transact(async (transaction) => {
      const row = await transaction
        .selectFrom("round_closings")
        .select("closing")
        .where("round_id", "=", roundId)
        .executeTakeFirst();
      return row === undefined ? null : (JSON.parse(row.closing) as RoundClosing);
    });
  }

  /**
   * Notes a bundle once; the first note of a cycle stands.
   *
   * @param facts JSON of what the bundle is made of besides the round's rows and its closing
   */
  note(bundle: Omit<BundleNote, "cycle" | "written">, facts: string): Promise<void> {
    return this.#database.transact(async (transaction) => {
      const { round } = await requireRound(transaction, bundle.roundId);
      const { roundId, root, closedAt } = bundle;
      await transaction
        .insertInto("receipt_bundles")
        .values({ cycle: round.cycle, round_id: roundId, root, facts, closed_at: closedAt, written: 0 })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    });
  }

  /** What a bundle was noted with; null for a cycle without one. */
  facts(cycle: number): Promise<string | null> {
    return this.#database.transact(async (transaction) => {
      const row = await transaction
        .selectFrom("receipt_bundles")
        .select("facts")
        .where("cycle", "=", cycle)
        .executeTakeFirst();
      return row?.facts ?? null;
    });
  }

  /** Notes that a bundle's files are on disk. */
  async markWritten(cycle: number): Promise<void> {
    await this.#database.transact(async (transaction) => {
      await transaction.updateTable("receipt_bundles").set({ written: 1 }).where("cycle", "=", cycle).execute();
    });
  }

  /** All bundles that are kept, oldest first. */
  bundles(): Promise<readonly BundleNote[]> {
    return this.#database.transact(async (transaction) => {
      const rows = await transaction
        .selectFrom("receipt_bundles")
        .select(["cycle", "round_id", "root", "closed_at", "written"])
        .orderBy("cycle")
        .execute();
      return rows.map(({ round_id: roundId, closed_at: closedAt, written, ...row }) => ({
        ...row,
        roundId,
        closedAt,
        written: written === 1,
      }));
    });
  }

  /** The bundle of the newest cycle; null before the first. */
  newest(): Promise<Pick<BundleNote, "cycle" | "root"> | null> {
    return this.#database.transact(async (transaction) => {
      const row = await transaction
        .selectFrom("receipt_bundles")
        .select(["cycle", "root"])
        .orderBy("cycle", "desc")
        .limit(1)
        .executeTakeFirst();
      return row ?? null;
    });
  }

  /** Forgets all but the newest bundles and what they were made of. @returns cycles that were forgotten. */
  retain(count: number): Promise<readonly number[]> {
    return this.#database.transact(async (transaction) => {
      const old = await transaction
        .selectFrom("receipt_bundles")
        .select(["cycle", "round_id"])
        .orderBy("cycle", "desc")
        .limit(Number.MAX_SAFE_INTEGER)
        .offset(count)
        .execute();
      for (const { cycle, round_id } of old) {
        await transaction.deleteFrom("receipt_bundles").where("cycle", "=", cycle).execute();
        await transaction.deleteFrom("round_closings").where("round_id", "=", round_id).execute();
      }
      return old.map(({ cycle }) => cycle);
    });
  }
}

/** Writes what a round was closed by within the caller's transaction. */
export async function noteClosing(
  transaction: LedgerTransaction,
  roundId: RoundId,
  closing: RoundClosing,
): Promise<void> {
  await transaction
    .insertInto("round_closings")
    .values({ round_id: roundId, closing: JSON.stringify(closing) })
    .execute();
}

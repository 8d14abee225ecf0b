import type { RoundScore, RoundScores, ScoreState } from "@assay/core/scoring/round-scores";
import type { RoundId } from "@assay/core/units";
import type { LedgerDatabase, LedgerTransaction } from "./ledger-database.ts";
import { type ClosingFindings, noteClosing } from "./receipts.ts";
import { markRoundClosed, requireRound } from "./rounds.ts";

/** The score book: one standing per uid, and what each round contributed. */
export class ScoreRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** All standings, by uid. */
  book(): Promise<readonly ScoreState[]> {
    return this.#database.transact(readBook);
  }

  /**
   * Closes a round and writes its scores, all in one transaction, with what they were made of and all standings before
   * and after: receipts are written of that later.
   *
   * @returns whether this call closed it; closing a closed round changes nothing.
   */
  closeRound(roundId: RoundId, { states, rows }: RoundScores, findings?: ClosingFindings): Promise<boolean> {
    return this.#database.transact(async (transaction) => {
      const { closed } = await requireRound(transaction, roundId);
      if (closed) {
        return false;
      }
      const before = await readBook(transaction);
      for (const state of states) {
        await writeState(transaction, state);
      }
      for (const row of rows) {
        await writeRow(transaction, roundId, row);
      }
      await markRoundClosed(transaction, roundId);
      if (findings !== undefined) {
        await noteClosing(transaction, roundId, { ...findings, before, after: await readBook(transaction) });
      }
      return true;
    });
  }

  /**
   * Cycle of the newest closed round in which any miner earned. Before one ever did, the cycle before the oldest round;
   * null without a round.
   *
   * @param lastCycle cycles after it count as not known yet
   */
  earnedUntil(lastCycle: number = Number.MAX_SAFE_INTEGER): Promise<number | null> {
    return this.#database.transact(async (transaction) => {
      const { cycle: earned } = await transaction
        .selectFrom("rounds")
        .innerJoin("round_scores", "round_scores.round_id", "rounds.id")
        .select((select) => select.fn.max<number | null>("rounds.cycle").as("cycle"))
        .where("rounds.closed", "=", 1)
        .where("round_scores.w", ">", 0)
        .where("rounds.cycle", "<=", lastCycle)
        .executeTakeFirstOrThrow();
      if (earned !== null) return earned;
      const { cycle: oldest } = await transaction
        .selectFrom("rounds")
        .select((select) => select.fn.min<number | null>("cycle").as("cycle"))
        .executeTakeFirstOrThrow();
      return oldest === null ? null : oldest - 1;
    });
  }

  /** What each miner got in a closed round, by uid. */
  rows(roundId: RoundId): Promise<readonly RoundScore[]> {
    return this.#database.transact(async (transaction) => {
      const rows = await transaction
        .selectFrom("round_scores")
        .selectAll()
        .where("round_id", "=", roundId)
        .orderBy("uid")
        .execute();
      return rows.map(({ uid, hotkey, w, reason, loss_before, loss_after }) => ({
        uid,
        hotkey,
        w,
        reason,
        lossBefore: loss_before,
        lossAfter: loss_after,
      }));
    });
  }
}

async function readBook(transaction: LedgerTransaction): Promise<readonly ScoreState[]> {
  const rows = await transaction.selectFrom("scores").selectAll().orderBy("uid").execute();
  return rows.map(({ last_round, ...row }) => ({ ...row, lastRound: last_round }));
}

async function writeState(transaction: LedgerTransaction, state: ScoreState): Promise<void> {
  const { uid, hotkey, ema, points, lastRound } = state;
  await transaction.replaceInto("scores").values({ uid, hotkey, ema, points, last_round: lastRound }).execute();
}

async function writeRow(transaction: LedgerTransaction, roundId: RoundId, row: RoundScore): Promise<void> {
  const { uid, hotkey, w, reason, lossBefore, lossAfter } = row;
  await transaction
    .insertInto("round_scores")
    .values({ round_id: roundId, uid, hotkey, w, reason, loss_before: lossBefore, loss_after: lossAfter })
    .execute();
}

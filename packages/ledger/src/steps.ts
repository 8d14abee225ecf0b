import type { BlockNumber } from "@assay/core/units";
import type { LedgerDatabase } from "./ledger-database.ts";

/** Which duties of a cycle are done, so that a restart takes up at the first one that is not. */
export class StepRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  done(cycle: number, step: string): Promise<boolean> {
    return this.#database.transact(async (transaction) => {
      const row = await transaction
        .selectFrom("steps")
        .select("block")
        .where("cycle", "=", cycle)
        .where("step", "=", step)
        .executeTakeFirst();
      return row !== undefined;
    });
  }

  /** Marks a duty done; the first mark's block is kept. */
  mark(cycle: number, step: string, { block }: { readonly block: BlockNumber }): Promise<void> {
    return this.#database.transact(async (transaction) => {
      await transaction
        .insertInto("steps")
        .values({ cycle, step, block })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    });
  }
}

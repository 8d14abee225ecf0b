import type { BlockNumber } from "@assay/core/units";
import type { LedgerDatabase } from "./ledger-database.ts";

/** What the chain was seen to hold of our weights. */
export class VerifiedWeightsRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Block of the newest weights that were read back as intended; null before the first. */
  newestBlock(): Promise<BlockNumber | null> {
    return this.#database.transact(async (transaction) => {
      const row = await transaction
        .selectFrom("intents")
        .select((select) => select.fn.max("block").as("block"))
        .where("state", "=", "verified")
        .executeTakeFirst();
      return row?.block ?? null;
    });
  }
}

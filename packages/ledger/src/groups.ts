import type { BlockNumber, ExpertGroup, Hotkey } from "@assay/core/units";
import type { LedgerDatabase } from "./ledger-database.ts";

/** The expert group that each hotkey announced last. */
export class GroupRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Remembers an announcement made at `block`; one from an earlier block never replaces a later one. */
  remember(hotkey: Hotkey, group: ExpertGroup, block: BlockNumber): Promise<void> {
    return this.#database.transact(async (transaction) => {
      await transaction
        .insertInto("groups")
        .values({ hotkey, expert_group: group, block })
        .onConflict((conflict) =>
          conflict.column("hotkey").doUpdateSet({ expert_group: group, block }).where("groups.block", "<=", block),
        )
        .execute();
    });
  }

  known(): Promise<ReadonlyMap<Hotkey, ExpertGroup>> {
    return this.#database.transact(async (transaction) => {
      const rows = await transaction.selectFrom("groups").select(["hotkey", "expert_group"]).execute();
      return new Map(rows.map((row) => [row.hotkey, row.expert_group]));
    });
  }
}

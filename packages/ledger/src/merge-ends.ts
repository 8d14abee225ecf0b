import type { LeftOut } from "@assay/core/merging/exchange/membership";
import type { Hotkey, Sha256Hex } from "@assay/core/units";
import type { LedgerDatabase } from "./ledger-database.ts";

/** How a cycle's merge ended for us, and with whom. */
export interface MergeEndRecord {
  readonly cycle: number;
  /** `published`: we published what was agreed. `behind`: the others agreed on a version that we had not. Else why not. */
  readonly result: string;
  /** Everybody who could have merged, we among them; we alone when nobody else was there to merge with. */
  readonly expected: readonly Hotkey[];
  /** Who averaged in the end; nobody when it did not come to that. */
  readonly members: readonly Hotkey[];
  /** Of them, who had the agreed version ready. */
  readonly synced: readonly Hotkey[];
  readonly leftOut: readonly LeftOut[];
  /** Digests of the agreed version and of its momentum; null without an agreement, and for a merge of our own. */
  readonly agreed: { readonly version: Sha256Hex; readonly momentum: Sha256Hex } | null;
}

/** One end per cycle: the first that is recorded. */
export class MergeEndRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Records a cycle's end; one that is there already stays. */
  record({ cycle, ...end }: MergeEndRecord): Promise<void> {
    return this.#database.transact(async (transaction) => {
      await transaction
        .insertInto("merge_ends")
        .values({ cycle, end: JSON.stringify(end) })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    });
  }

  async get(cycle: number): Promise<MergeEndRecord | null> {
    const [end] = await this.list(cycle, cycle);
    return end ?? null;
  }

  /** The ends of the cycles from one to another, both included, in order; cycles without one are left out. */
  list(first: number, last: number): Promise<readonly MergeEndRecord[]> {
    return this.#database.transact(async (transaction) => {
      const rows = await transaction
        .selectFrom("merge_ends")
        .selectAll()
        .where("cycle", ">=", first)
        .where("cycle", "<=", last)
        .orderBy("cycle")
        .execute();
      return rows.map(({ cycle, end }) => ({ cycle, ...(JSON.parse(end) as Omit<MergeEndRecord, "cycle">) }));
    });
  }
}

import { isDeepStrictEqual } from "node:util";
import type { ExpertGroup, ModelVersion, Uid } from "@assay/core/units";
import type { LedgerDatabase, LedgerTransaction } from "./ledger-database.ts";
import { LedgerError, LedgerErrorCode } from "./ledger-error.ts";

/** The version that a cycle's merge published, and whose submission each group took. */
export interface MergeRecord {
  readonly cycle: number;
  readonly version: ModelVersion;
  /** The published manifest's digest. */
  readonly digest: string;
  /** `uid` is null for a group that had no acceptable submission and stayed as it was. */
  readonly groups: readonly { readonly group: ExpertGroup; readonly uid: Uid | null }[];
}

/** One merge per cycle at most. */
export class MergeRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Records once. The same again is harmless; another merge of the cycle is `LEDGER_MERGE_CONFLICT`. */
  record(merge: MergeRecord): Promise<void> {
    return this.#database.transact(async (transaction) => {
      const { cycle, version, digest, groups } = merge;
      const existing = await findMerge(transaction, cycle);
      if (existing === null) {
        await transaction
          .insertInto("merges")
          .values({ cycle, version, digest, groups: JSON.stringify(groups) })
          .execute();
      } else if (!isDeepStrictEqual(existing, { cycle, version, digest, groups })) {
        throw new LedgerError(LedgerErrorCode.MergeConflict, "Another merge is recorded for this cycle", {
          fields: { cycle, version, existingVersion: existing.version, digest, existingDigest: existing.digest },
        });
      }
    });
  }

  get(cycle: number): Promise<MergeRecord | null> {
    return this.#database.transact((transaction) => findMerge(transaction, cycle));
  }
}

async function findMerge(transaction: LedgerTransaction, cycle: number): Promise<MergeRecord | null> {
  const row = await transaction.selectFrom("merges").selectAll().where("cycle", "=", cycle).executeTakeFirst();
  return row === undefined ? null : { ...row, groups: JSON.parse(row.groups) as MergeRecord["groups"] };
}

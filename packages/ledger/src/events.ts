import type { BlockNumber, EpochMillis } from "@assay/core/units";
import type { LedgerDatabase, LedgerTransaction } from "./ledger-database.ts";

type EventFields = Readonly<Record<string, string | number | boolean | null>>;

/** Something an operator may ask about later. */
export interface LedgerEvent {
  readonly kind: string;
  readonly block: BlockNumber | null;
  readonly fields: EventFields;
}
export type RecordedEvent = LedgerEvent & { readonly id: number; readonly at: EpochMillis };

/** Older events than this many are dropped, so that the file stays bounded. */
const KEPT_EVENTS = 100_000;

/** What happened, in order. Only for reading by people; nothing is decided from it. */
export class EventRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  append(event: LedgerEvent): Promise<void> {
    return this.#database.transact((transaction) => appendEvent(transaction, event));
  }

  /** The newest events, newest first. */
  recent(limit: number): Promise<readonly RecordedEvent[]> {
    return this.#database.transact(async (transaction) => {
      const rows = await transaction.selectFrom("events").selectAll().orderBy("id", "desc").limit(limit).execute();
      return rows.map(({ fields, ...row }) => ({ ...row, fields: JSON.parse(fields) as EventFields }));
    });
  }
}

/** Appends within the caller's transaction. */
export async function appendEvent(transaction: LedgerTransaction, event: LedgerEvent): Promise<void> {
  const { kind, block, fields } = event;
  const { id } = await transaction
    .insertInto("events")
    .values({ at: Date.now(), kind, block, fields: JSON.stringify(fields) })
    .returning("id")
    .executeTakeFirstOrThrow();
  await transaction
    .deleteFrom("events")
    .where("id", "<=", id - KEPT_EVENTS)
    .execute();
}

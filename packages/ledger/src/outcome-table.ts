import { isDeepStrictEqual } from "node:util";
import type { OutcomeKey } from "@assay/core/scoring/outcome";
import type { RoundId } from "@assay/core/units";
import { appendEvent } from "./events.ts";
import type { LedgerTransaction } from "./ledger-database.ts";

/** What recording did: wrote a row, found the same one there, or kept an earlier, different one. */
export type Recording = "recorded" | "unchanged" | "ignored";

type Outcome = OutcomeKey & { readonly kind: string };

interface OutcomeTable {
  readonly table: "submissions" | "evaluations";
  /** The kind that a later outcome of another kind replaces. */
  readonly replaceable: string;
}

/** Inserts once per (round, uid); see the repositories for what may be replaced. */
export async function recordOutcome(
  transaction: LedgerTransaction,
  { table, replaceable }: OutcomeTable,
  outcome: Outcome,
): Promise<Recording> {
  const { roundId, uid, kind } = outcome;
  const row = { round_id: roundId, uid, kind, outcome: JSON.stringify(outcome) };
  const existing = await transaction
    .selectFrom(table)
    .select(["kind", "outcome"])
    .where("round_id", "=", roundId)
    .where("uid", "=", uid)
    .executeTakeFirst();

  if (existing === undefined) {
    await transaction.insertInto(table).values(row).execute();
    return "recorded";
  }
  if (isDeepStrictEqual(JSON.parse(existing.outcome), JSON.parse(row.outcome))) {
    return "unchanged";
  }
  if (existing.kind === replaceable) {
    await transaction.updateTable(table).set(row).where("round_id", "=", roundId).where("uid", "=", uid).execute();
    return "recorded";
  }
  if (kind !== replaceable) {
    const fields = { table, roundId, uid, kept: existing.kind, ignored: kind };
    await appendEvent(transaction, { kind: "outcome_ignored", block: null, fields });
  }
  return "ignored";
}

/** All outcomes of a round, by uid. */
export async function listOutcomes<T extends Outcome>(
  transaction: LedgerTransaction,
  table: OutcomeTable["table"],
  roundId: RoundId,
): Promise<readonly T[]> {
  const rows = await transaction
    .selectFrom(table)
    .select("outcome")
    .where("round_id", "=", roundId)
    .orderBy("uid")
    .execute();
  return rows.map((row) => JSON.parse(row.outcome) as T);
}

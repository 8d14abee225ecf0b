import { isDeepStrictEqual } from "node:util";
import type { BlockNumber, Netuid, RoundId, Uid } from "@assay/core/units";
import type { LedgerDatabase, LedgerTransaction } from "./ledger-database.ts";
import { LedgerError, LedgerErrorCode } from "./ledger-error.ts";
import type { IntentRow } from "./schema.ts";

/**
 * Where an intent stands on its way to the chain. `verified` and `failed` are final.
 *
 * Hidden weights go from `in_block` to `committed`, when their commit is final, and to `revealed`, when the chain holds
 * the commit no longer; others are `finalised`.
 */
export type IntentState =
  | "planned"
  | "signed"
  | "in_block"
  | "finalised"
  | "committed"
  | "revealed"
  | "verified"
  | "failed";

/** The weights we mean to set, written before anything is signed. */
export interface WeightPlan {
  readonly id: string;
  readonly netuid: Netuid;
  readonly roundId: RoundId;
  readonly uids: readonly Uid[];
  /** 0…65535, one per uid. */
  readonly weights: readonly number[];
  readonly versionKey: bigint;
  readonly plannedBlock: BlockNumber;
  readonly deadlineBlock: BlockNumber;
}

/** What became known with a transition; what is left out keeps its last value. */
export interface IntentFacts {
  readonly block?: BlockNumber;
  readonly extrinsicHash?: string;
  readonly error?: string;
}

export interface WeightIntent extends WeightPlan {
  readonly state: IntentState;
  readonly block: BlockNumber | null;
  readonly extrinsicHash: string | null;
  readonly error: string | null;
}

/** Every set of weights we ever meant to set, and how far it came. */
export class IntentRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Writes a plan once. The same again is harmless; other contents are `LEDGER_INTENT_CONFLICT`. */
  plan(plan: WeightPlan): Promise<void> {
    return this.#database.transact(async (transaction) => {
      const existing = await findIntent(transaction, plan.id);
      if (existing === null) {
        await transaction.insertInto("intents").values(toRow(plan)).execute();
      } else if (!isDeepStrictEqual(planOf(existing), planOf(plan))) {
        throw new LedgerError(LedgerErrorCode.IntentConflict, "Other contents are recorded under this intent's id", {
          fields: { intentId: plan.id, roundId: plan.roundId },
        });
      }
    });
  }

  get(id: string): Promise<WeightIntent | null> {
    return this.#database.transact((transaction) => findIntent(transaction, id));
  }

  /** Intents neither verified nor failed, oldest first. */
  active(): Promise<readonly WeightIntent[]> {
    return this.#database.transact(async (transaction) => {
      const rows = await transaction
        .selectFrom("intents")
        .selectAll()
        .where("state", "not in", FINAL_STATES)
        .orderBy("position")
        .execute();
      return rows.map(toIntent);
    });
  }

  /** The intent planned last, whatever its state. */
  latest(): Promise<WeightIntent | null> {
    return this.#database.transact(async (transaction) => {
      const row = await transaction
        .selectFrom("intents")
        .selectAll()
        .orderBy("position", "desc")
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? null : toIntent(row);
    });
  }

  /** The newest intent that ended and made no room for a newer one; null before the first. */
  latestResult(): Promise<WeightIntent | null> {
    return this.#database.transact(async (transaction) => {
      const row = await transaction
        .selectFrom("intents")
        .selectAll()
        .where("state", "in", FINAL_STATES)
        .where((where) => where.or([where("error", "is", null), where("error", "!=", "superseded")]))
        .orderBy("position", "desc")
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? null : toIntent(row);
    });
  }

  /** Intents planned after this one, whatever their state; oldest first. */
  plannedAfter(id: string): Promise<readonly WeightIntent[]> {
    return this.#database.transact(async (transaction) => {
      const rows = await transaction
        .selectFrom("intents")
        .selectAll()
        .where("position", ">", (query) => query.selectFrom("intents").select("position").where("id", "=", id))
        .orderBy("position")
        .execute();
      return rows.map(toIntent);
    });
  }

  /** Moves an intent. It may go back while not final (a dropped extrinsic is signed again), but a final one stays. */
  transition(id: string, state: IntentState, facts: IntentFacts = {}): Promise<WeightIntent> {
    return this.#database.transact(async (transaction) => {
      const intent = await requireIntent(transaction, id);
      if (FINAL_STATES.includes(intent.state)) {
        return keepFinal(intent, state);
      }
      const next: WeightIntent = { ...intent, ...facts, state };
      await transaction
        .updateTable("intents")
        .set({ state, block: next.block, extrinsic_hash: next.extrinsicHash, error: next.error })
        .where("id", "=", id)
        .execute();
      return next;
    });
  }
}

const FINAL_STATES: readonly IntentState[] = ["verified", "failed"];

function keepFinal(intent: WeightIntent, state: IntentState): WeightIntent {
  if (intent.state !== state) {
    throw new LedgerError(LedgerErrorCode.IntentSettled, `The intent is ${intent.state} and stays so`, {
      fields: { intentId: intent.id, state: intent.state, wanted: state },
    });
  }
  return intent;
}

async function requireIntent(transaction: LedgerTransaction, id: string): Promise<WeightIntent> {
  const intent = await findIntent(transaction, id);
  if (intent === null) {
    throw new LedgerError(LedgerErrorCode.IntentUnknown, "No intent has this id", { fields: { intentId: id } });
  }
  return intent;
}

async function findIntent(transaction: LedgerTransaction, id: string): Promise<WeightIntent | null> {
  const row = await transaction.selectFrom("intents").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : toIntent(row);
}

function planOf(plan: WeightPlan): WeightPlan {
  const { id, netuid, roundId, uids, weights, versionKey, plannedBlock, deadlineBlock } = plan;
  return { id, netuid, roundId, uids, weights, versionKey, plannedBlock, deadlineBlock };
}

function toRow(plan: WeightPlan): Omit<IntentRow, "position"> {
  return {
    id: plan.id,
    netuid: plan.netuid,
    round_id: plan.roundId,
    uids: JSON.stringify(plan.uids),
    weights: JSON.stringify(plan.weights),
    version_key: plan.versionKey.toString(),
    planned_block: plan.plannedBlock,
    deadline_block: plan.deadlineBlock,
    state: "planned",
    block: null,
    extrinsic_hash: null,
    error: null,
  };
}

function toIntent(row: Omit<IntentRow, "position">): WeightIntent {
  return {
    id: row.id,
    netuid: row.netuid,
    roundId: row.round_id,
    uids: JSON.parse(row.uids) as readonly Uid[],
    weights: JSON.parse(row.weights) as readonly number[],
    versionKey: BigInt(row.version_key),
    plannedBlock: row.planned_block,
    deadlineBlock: row.deadline_block,
    state: row.state as IntentState,
    block: row.block,
    extrinsicHash: row.extrinsic_hash,
    error: row.error,
  };
}

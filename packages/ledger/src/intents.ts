import { isDeepStrictEqual } from "node:util";
import type { BlockNumber, RoundId } from "@assay/core/units";
import type { LedgerDatabase, LedgerTransaction } from "./ledger-database.ts";
import { LedgerError, LedgerErrorCode } from "./ledger-error.ts";
import {
  FINAL_STATES,
  type IntentFacts,
  type IntentReason,
  type IntentState,
  type IntentStep,
  planOf,
  toIntent,
  toIntentRow,
  type WeightIntent,
  type WeightPlan,
} from "./weight-intent.ts";

/** Every set of weights we ever meant to set, and how far it came. */
export class IntentRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Writes a plan once. The same again is harmless; other contents are `LEDGER_INTENT_CONFLICT`. */
  plan(plan: WeightPlan, state: "planned" | "dry_run" = "planned"): Promise<void> {
    return this.#database.transact(async (transaction) => {
      const existing = await findIntent(transaction, plan.id);
      if (existing === null) {
        await transaction.insertInto("intents").values(toIntentRow(plan, state)).execute();
        await noteStep(transaction, plan.id, { state, reason: null, facts: { block: plan.plannedBlock } });
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

  /** Intents that are not final, oldest first. */
  active(): Promise<readonly WeightIntent[]> {
    return this.#list((query) => query.where("state", "not in", FINAL_STATES).orderBy("position"));
  }

  /** The intent planned last, whatever its state but for dry runs. */
  latest(): Promise<WeightIntent | null> {
    return this.#first((query) => query.where("state", "!=", "dry_run").orderBy("position", "desc"));
  }

  /** The dry run written last. */
  latestDryRun(): Promise<WeightIntent | null> {
    return this.#first((query) => query.where("state", "=", "dry_run").orderBy("position", "desc"));
  }

  /** The newest intent that ended and made no room for a newer one; null before the first. */
  latestResult(): Promise<WeightIntent | null> {
    return this.#first((query) =>
      query
        .where("state", "in", ["verified", "failed", "foreign"])
        .where((where) => where.or([where("reason", "is", null), where("reason", "!=", "superseded")]))
        .orderBy("position", "desc"),
    );
  }

  /** The newest intent that the chain is known to hold or to have held; null before the first. */
  latestVerified(): Promise<WeightIntent | null> {
    return this.#first((query) => query.where("state", "=", "verified").orderBy("position", "desc"));
  }

  /** The last attempt at a tempo's window, dry runs left out; null while there is none. */
  ofTempo(tempo: number): Promise<WeightIntent | null> {
    return this.#first((query) =>
      query.where("tempo", "=", tempo).where("state", "!=", "dry_run").orderBy("attempt", "desc"),
    );
  }

  /** Intents from a round's scores, oldest first, dry runs left out. */
  ofRound(roundId: RoundId): Promise<readonly WeightIntent[]> {
    return this.#list((query) =>
      query.where("round_id", "=", roundId).where("state", "!=", "dry_run").orderBy("position"),
    );
  }

  /** Intents planned after this one, oldest first, dry runs left out. */
  plannedAfter(id: string): Promise<readonly WeightIntent[]> {
    return this.#list((query) =>
      query
        .where("position", ">", (inner) => inner.selectFrom("intents").select("position").where("id", "=", id))
        .where("state", "!=", "dry_run")
        .orderBy("position"),
    );
  }

  /** Moves an intent. It may go back while not final (a dropped extrinsic is signed again), but a final one stays. */
  transition(id: string, state: IntentState, facts: IntentFacts = {}): Promise<WeightIntent> {
    return this.#database.transact(async (transaction) => {
      const intent = await requireIntent(transaction, id);
      if (FINAL_STATES.includes(intent.state)) return keepFinal(intent, state);
      const next: WeightIntent = { ...intent, reason: null, ...facts, state };
      await writeIntent(transaction, next);
      await noteStep(transaction, id, { state, reason: next.reason, facts });
      return next;
    });
  }

  /** Notes why an intent waits, or that nothing is in its way any more. @returns whether that is news. */
  wait(id: string, reason: IntentReason | null): Promise<boolean> {
    return this.#database.transact(async (transaction) => {
      const intent = await requireIntent(transaction, id);
      if (FINAL_STATES.includes(intent.state) || intent.reason === reason) return false;
      await writeIntent(transaction, { ...intent, reason });
      await noteStep(transaction, id, { state: intent.state, reason, facts: {} });
      return true;
    });
  }

  /** Everything noted of an intent, oldest first. */
  steps(id: string): Promise<readonly IntentStep[]> {
    return this.#database.transact(async (transaction) => {
      const rows = await transaction
        .selectFrom("intent_steps")
        .selectAll()
        .where("intent_id", "=", id)
        .orderBy("position")
        .execute();
      return rows.map(({ at, state, reason, block, extrinsic_hash: extrinsicHash, spec_version: specVersion }) => {
        return { at, state: state as IntentState, reason: reason as IntentReason, block, extrinsicHash, specVersion };
      });
    });
  }

  /** Whether a block holds a set or commit of weights of ours. */
  landedIn(block: BlockNumber): Promise<boolean> {
    return this.#database.transact(async (transaction) => {
      const row = await transaction
        .selectFrom("intent_steps")
        .select("position")
        .where("block", "=", block)
        .where("state", "in", LANDED_STATES)
        .executeTakeFirst();
      return row !== undefined;
    });
  }

  #first(narrow: (query: IntentQuery) => IntentQuery): Promise<WeightIntent | null> {
    return this.#list((query) => narrow(query).limit(1)).then(([first]) => first ?? null);
  }

  #list(narrow: (query: IntentQuery) => IntentQuery): Promise<readonly WeightIntent[]> {
    return this.#database.transact(async (transaction) => {
      const rows = await narrow(intentQuery(transaction)).execute();
      return rows.map(toIntent);
    });
  }
}

const LANDED_STATES: readonly IntentState[] = ["in_block", "finalised", "committed", "verified"];

type IntentQuery = ReturnType<typeof intentQuery>;

function intentQuery(transaction: LedgerTransaction) {
  return transaction.selectFrom("intents").selectAll();
}

function keepFinal(intent: WeightIntent, state: IntentState): WeightIntent {
  if (intent.state !== state) {
    throw new LedgerError(LedgerErrorCode.IntentSettled, `The intent is ${intent.state} and stays so`, {
      fields: { intentId: intent.id, state: intent.state, wanted: state },
    });
  }
  return intent;
}

async function writeIntent(transaction: LedgerTransaction, intent: WeightIntent): Promise<void> {
  const { state, block, extrinsicHash, nonce, specVersion, reason } = intent;
  await transaction
    .updateTable("intents")
    .set({ state, block, extrinsic_hash: extrinsicHash, nonce, spec_version: specVersion, reason })
    .where("id", "=", intent.id)
    .execute();
}

interface NotedStep {
  readonly state: IntentState;
  readonly reason: IntentReason | null;
  readonly facts: IntentFacts;
}

async function noteStep(
  transaction: LedgerTransaction,
  intentId: string,
  { state, reason, facts }: NotedStep,
): Promise<void> {
  const { block = null, extrinsicHash = null, specVersion = null } = facts;
  const known = { block, extrinsic_hash: extrinsicHash, spec_version: specVersion };
  await transaction
    .insertInto("intent_steps")
    .values({ intent_id: intentId, at: Date.now(), state, reason, ...known })
    .execute();
}

async function requireIntent(transaction: LedgerTransaction, id: string): Promise<WeightIntent> {
  const intent = await findIntent(transaction, id);
  if (intent === null) {
    throw new LedgerError(LedgerErrorCode.IntentUnknown, "No intent has this id", { fields: { intentId: id } });
  }
  return intent;
}

async function findIntent(transaction: LedgerTransaction, id: string): Promise<WeightIntent | null> {
  const row = await intentQuery(transaction).where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : toIntent(row);
}

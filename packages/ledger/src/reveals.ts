import type { BlockNumber } from "@assay/core/units";
import type { LedgerDatabase, LedgerTransaction } from "./ledger-database.ts";
import type { WeightRevealRow } from "./schema.ts";

/** How weights are hidden: by a time lock that the chain opens, or by a hash whose salt we show. */
export type HidingWay = "timelocked" | "hashed";

/** A commit of hidden weights, as it is sent. */
export interface SentCommit {
  readonly intentId: string;
  readonly way: HidingWay;
  /** Blake2-256 of the ciphertext, or the hash that `commit_weights` announces; `0x` and 64 digits. */
  readonly hash: string;
  /** What `reveal_weights` needs beside the intent; empty for a time lock. Weights without their salt are lost. */
  readonly salt: readonly number[];
  /** Epoch in which it is to land. */
  readonly epoch: number;
  /** Epoch in which the chain shows the weights, or lets us show them. */
  readonly revealEpoch: number;
  /** The newest block when it was sent; it can only land in a later one. */
  readonly sentBlock: BlockNumber;
  /** Last block that can include it. */
  readonly deadlineBlock: BlockNumber;
}

/** `sent`: it may be on chain. `landed`: a final block has it. `gone`: no block has it or will. */
export type CommitState = "sent" | "landed" | "gone";

export interface WeightCommit extends SentCommit {
  /** Counts the commits of one intent from 1. */
  readonly attempt: number;
  readonly state: CommitState;
}

/** Every commit of hidden weights that we ever sent, written before it was. */
export class RevealRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Notes a commit that is about to be sent, as the next of its intent. */
  record(commit: SentCommit): Promise<WeightCommit> {
    return this.#database.transact(async (transaction) => {
      const last = await latestCommit(transaction, commit.intentId);
      const recorded: WeightCommit = { ...commit, attempt: (last?.attempt ?? 0) + 1, state: "sent" };
      await transaction.insertInto("weight_reveals").values(toRow(recorded)).execute();
      return recorded;
    });
  }

  /** The newest commit of an intent; null while none was sent. */
  latest(intentId: string): Promise<WeightCommit | null> {
    return this.#database.transact((transaction) => latestCommit(transaction, intentId));
  }

  settle({ intentId, attempt }: Pick<WeightCommit, "intentId" | "attempt">, state: CommitState): Promise<void> {
    return this.#database.transact(async (transaction) => {
      await transaction
        .updateTable("weight_reveals")
        .set({ state })
        .where("intent_id", "=", intentId)
        .where("attempt", "=", attempt)
        .execute();
    });
  }
}

async function latestCommit(transaction: LedgerTransaction, intentId: string): Promise<WeightCommit | null> {
  const row = await transaction
    .selectFrom("weight_reveals")
    .selectAll()
    .where("intent_id", "=", intentId)
    .orderBy("attempt", "desc")
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? null : toCommit(row);
}

function toRow(commit: WeightCommit): WeightRevealRow {
  return {
    intent_id: commit.intentId,
    attempt: commit.attempt,
    way: commit.way,
    hash: commit.hash,
    salt: JSON.stringify(commit.salt),
    epoch: commit.epoch,
    reveal_epoch: commit.revealEpoch,
    sent_block: commit.sentBlock,
    deadline_block: commit.deadlineBlock,
    state: commit.state,
  };
}

function toCommit(row: WeightRevealRow): WeightCommit {
  return {
    intentId: row.intent_id,
    attempt: row.attempt,
    way: row.way as HidingWay,
    hash: row.hash,
    salt: JSON.parse(row.salt) as readonly number[],
    epoch: row.epoch,
    revealEpoch: row.reveal_epoch,
    sentBlock: row.sent_block,
    deadlineBlock: row.deadline_block,
    state: row.state as CommitState,
  };
}

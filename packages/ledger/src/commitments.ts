import type { BlockNumber } from "@assay/core/units";
import type { LedgerDatabase, LedgerTransaction } from "./ledger-database.ts";
import { LedgerError, LedgerErrorCode } from "./ledger-error.ts";

/** Bytes that we committed on chain, as finalised. */
export interface OwnCommitment {
  readonly cycle: number;
  /** Which commitment of the cycle, for example `validatorCommit1`. */
  readonly step: string;
  /** Hexadecimal digits without prefix. */
  readonly bytesHex: string;
  readonly block: BlockNumber;
  readonly extrinsicHash: string;
}

/** Our own commitments, one per (cycle, step). */
export class CommitmentRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Records once and keeps the first block and extrinsic; other bytes are `LEDGER_COMMITMENT_CONFLICT`. */
  record(commitment: OwnCommitment): Promise<void> {
    return this.#database.transact(async (transaction) => {
      const { cycle, step, bytesHex, block, extrinsicHash } = commitment;
      const existing = await findCommitment(transaction, cycle, step);
      if (existing === null) {
        await transaction
          .insertInto("commitments")
          .values({ cycle, step, bytes_hex: bytesHex, block, extrinsic_hash: extrinsicHash })
          .execute();
      } else if (existing.bytesHex !== bytesHex) {
        throw new LedgerError(LedgerErrorCode.CommitmentConflict, "Other bytes are recorded for this step", {
          fields: { cycle, step, existing: existing.bytesHex, bytesHex },
        });
      }
    });
  }

  get(cycle: number, step: string): Promise<OwnCommitment | null> {
    return this.#database.transact((transaction) => findCommitment(transaction, cycle, step));
  }
}

async function findCommitment(
  transaction: LedgerTransaction,
  cycle: number,
  step: string,
): Promise<OwnCommitment | null> {
  const row = await transaction
    .selectFrom("commitments")
    .selectAll()
    .where("cycle", "=", cycle)
    .where("step", "=", step)
    .executeTakeFirst();
  return row === undefined
    ? null
    : { cycle, step, bytesHex: row.bytes_hex, block: row.block, extrinsicHash: row.extrinsic_hash };
}

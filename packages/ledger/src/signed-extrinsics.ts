import type { BlockNumber } from "@assay/core/units";
import type { LedgerDatabase } from "./ledger-database.ts";

/** An extrinsic that we signed, whether or not it ever landed. */
export interface OwnExtrinsic {
  /** `0x` and 64 hexadecimal digits. */
  readonly hash: string;
  readonly nonce: number;
  /** Which call it carries, for people who read the file. */
  readonly kind: string;
  /** Newest block when it was signed. */
  readonly signedBlock: BlockNumber;
  /** Last block that may include it. */
  readonly lastBlock: BlockNumber;
}

/** Extrinsics that ended so many blocks ago are forgotten: half a week of 12 s blocks. */
const KEPT_BLOCKS = 25_000;
/** Values in one statement; SQLite takes some ten thousand. */
const HASHES_AT_ONCE = 500;

/** Every extrinsic that our hotkey signed here, written before it left: what is on chain beside these is not ours. */
export class SignedExtrinsicRepository {
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase) {
    this.#database = database;
  }

  /** Writes one down; the same again is harmless. */
  record({ hash, nonce, kind, signedBlock, lastBlock }: OwnExtrinsic): Promise<void> {
    return this.#database.transact(async (transaction) => {
      await transaction
        .insertInto("signed_extrinsics")
        .values({ hash, nonce, kind, signed_block: signedBlock, last_block: lastBlock })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await transaction
        .deleteFrom("signed_extrinsics")
        .where("last_block", "<", signedBlock - KEPT_BLOCKS)
        .execute();
    });
  }

  /** Those with one kind of call that a block after this one may include, whether or not an earlier one does. */
  validAfter(block: BlockNumber, kind: string): Promise<readonly OwnExtrinsic[]> {
    return this.#database.transact(async (transaction) => {
      const rows = await transaction
        .selectFrom("signed_extrinsics")
        .selectAll()
        .where("last_block", ">", block)
        .where("kind", "=", kind)
        .orderBy("signed_block")
        .execute();
      return rows.map(({ signed_block: signedBlock, last_block: lastBlock, ...same }) => {
        return { ...same, signedBlock, lastBlock };
      });
    });
  }

  /** Which of these hashes are ours. */
  known(hashes: readonly string[]): Promise<ReadonlySet<string>> {
    return this.#database.transact(async (transaction) => {
      const ours = new Set<string>();
      for (let first = 0; first < hashes.length; first += HASHES_AT_ONCE) {
        const some = hashes.slice(first, first + HASHES_AT_ONCE);
        const rows = await transaction
          .selectFrom("signed_extrinsics")
          .select("hash")
          .where("hash", "in", some)
          .execute();
        for (const { hash } of rows) ours.add(hash);
      }
      return ours;
    });
  }
}

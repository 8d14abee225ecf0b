import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "@assay/runtime/logging/logger";
import Database from "better-sqlite3";
import { Kysely, SqliteDialect, type Transaction } from "kysely";
import { Migrator } from "kysely/migration";
import { LedgerError, LedgerErrorCode, toLedgerError } from "./ledger-error.ts";
import { LEDGER_MIGRATION_NAMES, LEDGER_MIGRATIONS } from "./migrations.ts";
import type { LedgerSchema } from "./schema.ts";

/** One open transaction on the ledger's file. */
export type LedgerTransaction = Transaction<LedgerSchema>;

/** How long one statement waits for another process's lock before it fails with `LEDGER_BUSY`. */
const BUSY_TIMEOUT_MILLIS = 5_000;

/** The ledger's file: one connection, so transactions follow one another and never interleave. */
export class LedgerDatabase {
  readonly #kysely: Kysely<LedgerSchema>;

  constructor(kysely: Kysely<LedgerSchema>) {
    this.#kysely = kysely;
  }

  /** Opens or creates the file, checks it whole, and brings its schema to this release's. */
  static async open(path: string, { logger }: { readonly logger: Logger }): Promise<LedgerDatabase> {
    const connection = connect(path);
    const kysely = new Kysely<LedgerSchema>({ dialect: new SqliteDialect({ database: connection }) });
    try {
      await migrate(kysely, path, logger);
    } catch (error) {
      connection.close();
      throw error;
    }
    return new LedgerDatabase(kysely);
  }

  /**
   * Opens a file that another process may be writing. Nothing is created, checked or migrated, and no write passes.
   *
   * @throws LedgerError `LEDGER_CANNOT_OPEN` when it is not there, `LEDGER_TOO_NEW` when a newer release wrote it.
   */
  static async openReadOnly(path: string): Promise<LedgerDatabase> {
    return LedgerDatabase.#beside(path, { readonly: true });
  }

  /** As {@link openReadOnly}, but writes pass; each waits for the other process's lock. */
  static async openBeside(path: string): Promise<LedgerDatabase> {
    return LedgerDatabase.#beside(path, { readonly: false });
  }

  static #beside(path: string, { readonly }: { readonly readonly: boolean }): LedgerDatabase {
    const connection = connectBeside(path, readonly);
    const kysely = new Kysely<LedgerSchema>({ dialect: new SqliteDialect({ database: connection }) });
    return new LedgerDatabase(kysely);
  }

  /** Runs `work` in one transaction: all of it is on disk when the promise resolves, or none of it ever will be. */
  async transact<T>(work: (transaction: LedgerTransaction) => Promise<T>): Promise<T> {
    try {
      return await this.#kysely.transaction().execute(work);
    } catch (error) {
      throw toLedgerError(error);
    }
  }

  /** Waits for the running transaction, then closes the file. */
  async close(): Promise<void> {
    await this.#kysely.destroy();
  }
}

function connect(path: string): Database.Database {
  let connection: Database.Database | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true });
    connection = new Database(path, { timeout: BUSY_TIMEOUT_MILLIS });
    connection.pragma("journal_mode = WAL");
    connection.pragma("synchronous = FULL");
    connection.pragma("foreign_keys = ON");
    refuseDamaged(connection);
    return connection;
  } catch (error) {
    connection?.close();
    throw describeOpening(error, path);
  }
}

function connectBeside(path: string, readonly: boolean): Database.Database {
  let connection: Database.Database | undefined;
  try {
    connection = new Database(path, { readonly, fileMustExist: true, timeout: BUSY_TIMEOUT_MILLIS });
    if (!readonly) connection.pragma("foreign_keys = ON");
    refuseNewer(connection, path);
    return connection;
  } catch (error) {
    connection?.close();
    throw error instanceof LedgerError ? error : describeOpening(error, path);
  }
}

function refuseNewer(connection: Database.Database, path: string): void {
  const applied = connection.prepare<[], { name: string }>("SELECT name FROM kysely_migration").all();
  const newer = applied.find(({ name }) => !LEDGER_MIGRATION_NAMES.includes(name));
  if (newer !== undefined) throw tooNew(path);
}

function refuseDamaged(connection: Database.Database): void {
  const finding = connection.pragma("quick_check(1)", { simple: true });
  if (finding !== "ok") {
    throw new LedgerError(LedgerErrorCode.Corrupt, "The ledger's file is damaged", {
      fields: { finding: String(finding) },
    });
  }
}

function describeOpening(error: unknown, path: string): LedgerError {
  const cause = toLedgerError(error);
  if (!(cause instanceof LedgerError)) {
    return new LedgerError(LedgerErrorCode.CannotOpen, `Cannot open the ledger ${path}`, { fields: { path }, cause });
  }
  const advice =
    cause.code === LedgerErrorCode.Corrupt
      ? "; the file was left as it is: restore a copy, or move it away to start without history"
      : "";
  return new LedgerError(cause.code, `${cause.message}: ${path}${advice}`, {
    retryable: cause.retryable,
    fields: { ...cause.fields, path },
    cause: error,
  });
}

async function migrate(kysely: Kysely<LedgerSchema>, path: string, logger: Logger): Promise<void> {
  const migrator = new Migrator({ db: kysely, provider: LEDGER_MIGRATIONS });
  const { error, results } = await migrator.migrateToLatest();
  if (error !== undefined) {
    throw describeMigrating(error, path);
  }
  for (const { migrationName } of results ?? []) {
    logger.info("Migrated the ledger", { migration: migrationName });
  }
}

function describeMigrating(cause: unknown, path: string): unknown {
  if (cause instanceof Error && cause.message.startsWith("corrupted migrations")) {
    return tooNew(path, cause);
  }
  return toLedgerError(cause);
}

function tooNew(path: string, cause?: unknown): LedgerError {
  return new LedgerError(LedgerErrorCode.TooNew, `The ledger ${path} was written by a newer release`, {
    fields: { path },
    cause,
  });
}

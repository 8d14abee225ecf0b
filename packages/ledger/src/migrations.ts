import { type Kysely, sql } from "kysely";
import type { Migration, MigrationProvider } from "kysely/migration";

/** Every change of the schema, by number. A released one is never edited: the next number changes what it made. */
export const LEDGER_MIGRATIONS: MigrationProvider = { getMigrations: () => Promise.resolve(migrations()) };

function migrations(): Readonly<Record<string, Migration>> {
  return {
    "0001_validator_memory": validatorMemory,
    "0003_evaluation_stages": evaluationStages,
    "0004_weight_reveals": weightReveals,
    "0005_weight_windows": weightWindows,
    "0006_signed_extrinsics": signedExtrinsics,
    "0008_receipts": receipts,
    "0009_merge_ends": mergeEnds,
  };
}

const validatorMemory: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of VALIDATOR_MEMORY_TABLES) {
      await sql.raw(statement).execute(db);
    }
  },
};

const evaluationStages: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql
      .raw(
        `CREATE TABLE evaluation_stages (
           round_id INTEGER NOT NULL REFERENCES rounds (id), uid INTEGER NOT NULL, stage INTEGER NOT NULL,
           outcome TEXT NOT NULL, PRIMARY KEY (round_id, uid, stage)
         ) STRICT, WITHOUT ROWID`,
      )
      .execute(db);
  },
};

const weightReveals: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql
      .raw(
        `CREATE TABLE weight_reveals (
           intent_id TEXT NOT NULL REFERENCES intents (id), attempt INTEGER NOT NULL, way TEXT NOT NULL,
           hash TEXT NOT NULL, salt TEXT NOT NULL, epoch INTEGER NOT NULL, reveal_epoch INTEGER NOT NULL,
           sent_block INTEGER NOT NULL, deadline_block INTEGER NOT NULL, state TEXT NOT NULL,
           PRIMARY KEY (intent_id, attempt)
         ) STRICT, WITHOUT ROWID`,
      )
      .execute(db);
  },
};

/** Intents per tempo of the chain in place of one per round, and their way step by step. */
const weightWindows: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of WEIGHT_WINDOW_CHANGES) await sql.raw(statement).execute(db);
  },
};

const WEIGHT_WINDOW_CHANGES = [
  "ALTER TABLE intents RENAME COLUMN error TO reason",
  "ALTER TABLE intents ADD COLUMN mechanism INTEGER NOT NULL DEFAULT 0",
  "ALTER TABLE intents ADD COLUMN tempo INTEGER",
  "ALTER TABLE intents ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0",
  "ALTER TABLE intents ADD COLUMN hotkeys TEXT NOT NULL DEFAULT '[]'",
  "ALTER TABLE intents ADD COLUMN origin TEXT NOT NULL DEFAULT 'scores'",
  "ALTER TABLE intents ADD COLUMN first_block INTEGER NOT NULL DEFAULT 0",
  "ALTER TABLE intents ADD COLUMN nonce INTEGER",
  "ALTER TABLE intents ADD COLUMN spec_version INTEGER",
  // What was planned by rounds could land from the block after its plan on.
  "UPDATE intents SET first_block = planned_block + 1",
  `CREATE UNIQUE INDEX intents_window ON intents (netuid, mechanism, tempo, attempt)
   WHERE tempo IS NOT NULL AND state <> 'dry_run'`,
  `CREATE TABLE intent_steps (
     position INTEGER PRIMARY KEY AUTOINCREMENT, intent_id TEXT NOT NULL REFERENCES intents (id), at INTEGER NOT NULL,
     state TEXT NOT NULL, reason TEXT, block INTEGER, extrinsic_hash TEXT, spec_version INTEGER
   ) STRICT`,
  "CREATE INDEX intent_steps_by_intent ON intent_steps (intent_id)",
  "CREATE INDEX intent_steps_by_block ON intent_steps (block)",
];

const signedExtrinsics: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql
      .raw(
        `CREATE TABLE signed_extrinsics (
           hash TEXT PRIMARY KEY, nonce INTEGER NOT NULL, kind TEXT NOT NULL,
           signed_block INTEGER NOT NULL, last_block INTEGER NOT NULL
         ) STRICT, WITHOUT ROWID`,
      )
      .execute(db);
    // What the release before signed and left under way when it was replaced is ours too.
    await sql
      .raw(
        `INSERT OR IGNORE INTO signed_extrinsics
         SELECT extrinsic_hash, 0, 'weights', planned_block, deadline_block FROM intents
         WHERE extrinsic_hash IS NOT NULL AND extrinsic_hash <> ''`,
      )
      .execute(db);
  },
};

/** What a round was closed by, and the bundles of receipts made of it. */
const receipts: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of RECEIPT_TABLES) await sql.raw(statement).execute(db);
  },
};

const RECEIPT_TABLES = [
  "CREATE TABLE round_closings (round_id INTEGER PRIMARY KEY REFERENCES rounds (id), closing TEXT NOT NULL) STRICT",
  `CREATE TABLE receipt_bundles (
     cycle INTEGER PRIMARY KEY, round_id INTEGER NOT NULL REFERENCES rounds (id), root TEXT NOT NULL,
     facts TEXT NOT NULL, closed_at INTEGER NOT NULL, written INTEGER NOT NULL DEFAULT 0 CHECK (written IN (0, 1))
   ) STRICT`,
];

/** How the merges with other validators ended. */
const mergeEnds: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw('CREATE TABLE merge_ends (cycle INTEGER PRIMARY KEY, "end" TEXT NOT NULL) STRICT').execute(db);
  },
};

const VALIDATOR_MEMORY_TABLES = [
  `CREATE TABLE rounds (
     id INTEGER PRIMARY KEY, cycle INTEGER NOT NULL, plan TEXT NOT NULL, seed TEXT,
     closed INTEGER NOT NULL DEFAULT 0 CHECK (closed IN (0, 1))
   ) STRICT`,
  `CREATE TABLE submissions (
     round_id INTEGER NOT NULL REFERENCES rounds (id), uid INTEGER NOT NULL, kind TEXT NOT NULL,
     outcome TEXT NOT NULL, PRIMARY KEY (round_id, uid)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE evaluations (
     round_id INTEGER NOT NULL REFERENCES rounds (id), uid INTEGER NOT NULL, kind TEXT NOT NULL,
     outcome TEXT NOT NULL, PRIMARY KEY (round_id, uid)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE scores (
     uid INTEGER PRIMARY KEY, hotkey TEXT NOT NULL, ema REAL NOT NULL, points INTEGER NOT NULL,
     last_round INTEGER NOT NULL
   ) STRICT`,
  `CREATE TABLE round_scores (
     round_id INTEGER NOT NULL REFERENCES rounds (id), uid INTEGER NOT NULL, hotkey TEXT NOT NULL, w REAL NOT NULL,
     reason TEXT, loss_before REAL, loss_after REAL, PRIMARY KEY (round_id, uid)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE intents (
     position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, netuid INTEGER NOT NULL,
     round_id INTEGER NOT NULL REFERENCES rounds (id), uids TEXT NOT NULL, weights TEXT NOT NULL,
     version_key TEXT NOT NULL, planned_block INTEGER NOT NULL, deadline_block INTEGER NOT NULL,
     state TEXT NOT NULL, block INTEGER, extrinsic_hash TEXT, error TEXT
   ) STRICT`,
  `CREATE TABLE commitments (
     cycle INTEGER NOT NULL, step TEXT NOT NULL, bytes_hex TEXT NOT NULL, block INTEGER NOT NULL,
     extrinsic_hash TEXT NOT NULL, PRIMARY KEY (cycle, step)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE steps (
     cycle INTEGER NOT NULL, step TEXT NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (cycle, step)
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE groups (
     hotkey TEXT PRIMARY KEY, expert_group INTEGER NOT NULL, block INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE merges (
     cycle INTEGER PRIMARY KEY, version INTEGER NOT NULL, digest TEXT NOT NULL, groups TEXT NOT NULL
   ) STRICT`,
  `CREATE TABLE events (
     id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, block INTEGER, kind TEXT NOT NULL,
     fields TEXT NOT NULL
   ) STRICT`,
  "CREATE INDEX rounds_open ON rounds (id) WHERE closed = 0",
];

/** Names of all changes that this release knows, as the file records them. */
export const LEDGER_MIGRATION_NAMES: readonly string[] = Object.keys(migrations());

import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import { Migrator } from "kysely/migration";
import { describe, expect, test } from "vitest";
import { Ledger } from "../src/ledger.ts";
import { LEDGER_MIGRATIONS } from "../src/migrations.ts";
import { LedgerFixture, planAt, roundAt } from "./ledger-fixture.ts";

const UNSENT = { block: null, extrinsicHash: null, nonce: null, specVersion: null, reason: null };

async function open(fixture: LedgerFixture): Promise<Ledger> {
  const ledger = await fixture.open();
  await ledger.rounds.save(roundAt(40));
  return ledger;
}

describe("weight intents", () => {
  test("are planned once and followed to the end, over a restart", async () => {
    await using fixture = await LedgerFixture.create();
    const ledger = await open(fixture);
    const plan = planAt(3);
    await ledger.intents.plan(plan);
    await ledger.intents.plan(plan);
    await expect(ledger.intents.plan({ ...plan, weights: [1, 2] })).rejects.toMatchObject({
      code: "LEDGER_INTENT_CONFLICT",
    });
    expect(await ledger.intents.active()).toEqual([{ ...plan, ...UNSENT, state: "planned" }]);

    await ledger.intents.transition(plan.id, "signed", { extrinsicHash: "0x01", nonce: 7, specVersion: 425 });
    const { intents } = await fixture.reopen(ledger);
    await intents.transition(plan.id, "in_block", { block: 61 });
    const sent = { block: 61, extrinsicHash: "0x01", nonce: 7, specVersion: 425, reason: null };
    expect(await intents.active()).toEqual([{ ...plan, ...sent, state: "in_block" }]);
    await intents.transition(plan.id, "finalised");
    await intents.transition(plan.id, "verified");
    await intents.transition(plan.id, "verified");

    await expect(intents.transition(plan.id, "failed", { reason: "expired" })).rejects.toMatchObject({
      code: "LEDGER_INTENT_SETTLED",
    });
    await expect(intents.transition("other", "signed")).rejects.toMatchObject({ code: "LEDGER_INTENT_UNKNOWN" });
    expect(await intents.active()).toEqual([]);
    expect(await intents.latest()).toEqual({ ...plan, ...sent, state: "verified" });
    expect((await intents.steps(plan.id)).map(({ state, block }) => [state, block])).toEqual([
      ["planned", 63],
      ["signed", null],
      ["in_block", 61],
      ["finalised", null],
      ["verified", null],
    ]);
    expect([await intents.landedIn(61), await intents.landedIn(63)]).toEqual([true, false]);
  });

  test("wait for a reason that is noted once, and go on without it", async () => {
    await using fixture = await LedgerFixture.create();
    const { intents } = await open(fixture);
    const { id } = planAt(3);
    await intents.plan(planAt(3));
    expect(await intents.wait(id, "no_permit")).toBe(true);
    expect(await intents.wait(id, "no_permit")).toBe(false);
    expect(await intents.wait(id, "stake_too_low")).toBe(true);
    expect(await intents.get(id)).toMatchObject({ state: "planned", reason: "stake_too_low" });
    expect(await intents.wait(id, null)).toBe(true);
    await intents.wait(id, "stopped");
    await intents.transition(id, "signed");
    expect(await intents.get(id)).toMatchObject({ state: "signed", reason: null });
    await intents.transition(id, "failed", { reason: "expired" });
    expect(await intents.wait(id, "no_permit")).toBe(false);
    expect((await intents.steps(id)).map(({ state, reason }) => [state, reason])).toEqual([
      ["planned", null],
      ["planned", "no_permit"],
      ["planned", "stake_too_low"],
      ["planned", null],
      ["planned", "stopped"],
      ["signed", null],
      ["failed", "expired"],
    ]);
  });

  test("of one window are attempts, of which two can never have one number", async () => {
    await using fixture = await LedgerFixture.create();
    const { intents } = await open(fixture);
    await intents.plan(planAt(3));
    await expect(intents.plan(planAt(3, { id: "twin" }))).rejects.toMatchObject({ code: "LEDGER_STATEMENT_FAILED" });
    await intents.plan(planAt(3, { id: "42-0-3-r1", attempt: 1 }));
    await intents.plan(planAt(3, { id: "dry-1" }), "dry_run");
    await intents.plan(planAt(3, { id: "dry-2" }), "dry_run");
    expect(await intents.ofTempo(3)).toMatchObject({ id: "42-0-3-r1", attempt: 1 });
    expect(await intents.ofTempo(4)).toBeNull();
    expect((await intents.ofRound(40)).map(({ id }) => id)).toEqual(["42-0-3", "42-0-3-r1"]);
  });

  test("that are dry runs are no news of the chain, and nobody follows them", async () => {
    await using fixture = await LedgerFixture.create();
    const { intents } = await open(fixture);
    await intents.plan(planAt(3));
    await intents.plan(planAt(3, { id: "dry" }), "dry_run");
    expect((await intents.active()).map(({ id }) => id)).toEqual(["42-0-3"]);
    expect(await intents.latest()).toMatchObject({ id: "42-0-3" });
    expect(await intents.latestDryRun()).toMatchObject({ id: "dry", state: "dry_run" });
    expect(await intents.latestResult()).toBeNull();
    expect(await intents.plannedAfter("42-0-3")).toEqual([]);
    await expect(intents.transition("dry", "signed")).rejects.toMatchObject({ code: "LEDGER_INTENT_SETTLED" });
  });

  test("planned after one are the later ones, and the newest result is of the last that nothing replaced", async () => {
    await using fixture = await LedgerFixture.create();
    const { intents } = await open(fixture);
    const [first, second, third] = [planAt(1), planAt(2), planAt(3)];
    for (const plan of [first, second, third]) await intents.plan(plan);
    expect((await intents.plannedAfter(first.id)).map(({ id }) => id)).toEqual([second.id, third.id]);
    expect(await intents.plannedAfter(third.id)).toEqual([]);

    expect(await intents.latestResult()).toBeNull();
    await intents.transition(first.id, "verified");
    await intents.transition(second.id, "failed", { reason: "superseded" });
    await intents.transition(third.id, "committed");
    expect(await intents.latestResult()).toMatchObject({ id: first.id, state: "verified" });
    await intents.transition(third.id, "foreign");
    expect(await intents.latestResult()).toMatchObject({ id: third.id, state: "foreign" });
  });
});

test("an operator's dry run is written beside the validator, which goes on", async () => {
  await using fixture = await LedgerFixture.create();
  const { intents } = await open(fixture);
  const beside = await Ledger.openBeside({ path: fixture.path });
  await beside.intents.plan(planAt(3, { id: "dry" }), "dry_run");
  await beside.stop();
  await intents.plan(planAt(3));
  expect(await intents.latestDryRun()).toMatchObject({ id: "dry" });
  await expect(Ledger.openBeside({ path: `${fixture.path}-none` })).rejects.toMatchObject({
    code: "LEDGER_CANNOT_OPEN",
  });
});

test("a ledger of the release that planned weights by rounds keeps them, with their reasons", async () => {
  await using fixture = await LedgerFixture.create();
  await mkdir(dirname(fixture.path), { recursive: true });
  const connection = new Database(fixture.path);
  const database = new Kysely<unknown>({ dialect: new SqliteDialect({ database: connection }) });
  await new Migrator({ db: database, provider: LEDGER_MIGRATIONS }).migrateTo("0004_weight_reveals");
  connection.prepare("INSERT INTO rounds (id, cycle, plan) VALUES (40, 0, ?)").run(JSON.stringify(roundAt(40)));
  const insert = connection.prepare(
    `INSERT INTO intents (id, netuid, round_id, uids, weights, version_key, planned_block, deadline_block, state, block,
       extrinsic_hash, error) VALUES (?, 42, 40, '[1]', '[65535]', '0', 60, 85, ?, ?, ?, ?)`,
  );
  insert.run("42-40", "failed", null, "0x01", "expired");
  insert.run("42-40-r1", "signed", 61, "0x02", null);
  await database.destroy();

  const ledger = await fixture.open();
  const old = planAt(0, { uids: [1], weights: [65_535], hotkeys: [], versionKey: 0n, tempo: null });
  const blocks = { firstBlock: 61, plannedBlock: 60, deadlineBlock: 85 };
  expect(await ledger.intents.get("42-40")).toEqual({
    ...old,
    ...blocks,
    ...UNSENT,
    id: "42-40",
    state: "failed",
    extrinsicHash: "0x01",
    reason: "expired",
  });
  expect((await ledger.intents.active()).map(({ id, tempo }) => [id, tempo])).toEqual([["42-40-r1", null]]);
  await ledger.intents.plan(planAt(3));
  expect(await ledger.intents.transition("42-40-r1", "verified", { block: 62 })).toMatchObject({ block: 62 });
});

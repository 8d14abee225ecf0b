import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { describe, expect, test } from "vitest";
import { Ledger } from "../src/ledger.ts";
import { ALICE, LedgerFixture, roundAt } from "./ledger-fixture.ts";

describe("the ledger's file", () => {
  test("is created with its folder and migrated from empty", async () => {
    await using fixture = await LedgerFixture.create();
    const ledger = await fixture.open();

    expect(await ledger.rounds.open()).toEqual([]);
    await fixture.stop(ledger);

    const connection = new Database(fixture.path, { readonly: true });
    expect(connection.pragma("journal_mode", { simple: true })).toBe("wal");
    expect(connection.prepare("SELECT name FROM kysely_migration").all()).toEqual([
      { name: "0001_validator_memory" },
      { name: "0003_evaluation_stages" },
      { name: "0004_weight_reveals" },
      { name: "0005_weight_windows" },
      { name: "0006_signed_extrinsics" },
      { name: "0008_receipts" },
      { name: "0009_merge_ends" },
    ]);
    connection.close();
  });

  test("keeps everything over a reopen", async () => {
    await using fixture = await LedgerFixture.create();
    const first = await fixture.open();
    await first.rounds.save(roundAt(40));
    await first.rounds.setSeed(40, "beef");
    await first.steps.mark(0, "plan", { block: 41 });
    await first.groups.remember(ALICE, 3, 12);
    await first.events.append({ kind: "started", block: 41, fields: { version: "0.1.0" } });

    const second = await fixture.reopen(first);

    expect(await second.rounds.open()).toEqual([{ round: roundAt(40), seed: "beef", closed: false }]);
    expect(await second.steps.done(0, "plan")).toBe(true);
    expect(await second.steps.done(0, "merge")).toBe(false);
    expect(await second.groups.known()).toEqual(new Map([[ALICE, 3]]));
    expect(await second.events.recent(5)).toMatchObject([{ kind: "started", block: 41, fields: { version: "0.1.0" } }]);
  });

  test("keeps every committed row when its process is killed while it writes", async () => {
    await using fixture = await LedgerFixture.create();
    await fixture.stop(await fixture.open());

    const committed = await appendUntilKilled(fixture.path, 200);

    const ledger = await fixture.open();
    const events = await ledger.events.recent(1_000_000);
    expect(committed).toBeGreaterThanOrEqual(200);
    expect(events.length).toBeGreaterThanOrEqual(committed);
    expect(events.map(({ block }) => block).reverse()).toEqual(events.map((_, index) => index + 1));
  });

  test("is refused and kept when it is not a database", async () => {
    await using fixture = await LedgerFixture.create();
    await mkdir(dirname(fixture.path), { recursive: true });
    await writeFile(fixture.path, "this was never a database, and is long enough to look at ".repeat(100));
    const before = await readFile(fixture.path);

    await expect(fixture.open()).rejects.toMatchObject({
      code: "LEDGER_CORRUPT",
      message: expect.stringContaining(fixture.path),
    });
    expect(await readFile(fixture.path)).toEqual(before);
  });

  test("is refused and kept when pages inside it are damaged", async () => {
    await using fixture = await LedgerFixture.create();
    const ledger = await fixture.open();
    for (let id = 40; id < 4_000; id += 45) {
      await ledger.rounds.save(roundAt(id));
    }
    await fixture.stop(ledger);
    const bytes = await readFile(fixture.path);
    bytes.fill(0x5a, 4096, bytes.length - 4096);
    await writeFile(fixture.path, bytes);

    await expect(fixture.open()).rejects.toMatchObject({ code: "LEDGER_CORRUPT" });
    expect(await readFile(fixture.path)).toEqual(bytes);
  });

  test("is refused when a newer release wrote it", async () => {
    await using fixture = await LedgerFixture.create();
    await fixture.stop(await fixture.open());
    const connection = new Database(fixture.path);
    connection.prepare("INSERT INTO kysely_migration VALUES ('9999_later', '2030-01-01T00:00:00.000Z')").run();
    connection.close();

    await expect(fixture.open()).rejects.toMatchObject({ code: "LEDGER_TOO_NEW" });
  });

  test("cannot be opened where a folder stands", async () => {
    await using fixture = await LedgerFixture.create();
    await mkdir(fixture.path, { recursive: true });

    await expect(fixture.open()).rejects.toMatchObject({ code: "LEDGER_CANNOT_OPEN" });
  });
});

describe("a ledger opened for reading only", () => {
  test("sees what its writer commits meanwhile, and writes nothing itself", async () => {
    await using fixture = await LedgerFixture.create();
    const writer = await fixture.open();
    await writer.events.append({ kind: "started", block: 1, fields: {} });
    const reader = await Ledger.openReadOnly({ path: fixture.path });
    try {
      expect(await reader.events.recent(5)).toMatchObject([{ kind: "started" }]);
      await writer.rounds.save(roundAt(40));
      expect(await reader.rounds.open()).toMatchObject([{ round: { id: 40 } }]);
      await expect(reader.events.append({ kind: "mine", block: 2, fields: {} })).rejects.toMatchObject({
        code: "LEDGER_CANNOT_OPEN",
      });
    } finally {
      await reader.stop();
    }
    expect(await writer.events.recent(5)).toHaveLength(1);
  });

  test("is there before it is opened", async () => {
    await using fixture = await LedgerFixture.create();

    await expect(Ledger.openReadOnly({ path: fixture.path })).rejects.toMatchObject({
      code: "LEDGER_CANNOT_OPEN",
      fields: { path: fixture.path },
    });
  });

  test("is refused when a newer release wrote it", async () => {
    await using fixture = await LedgerFixture.create();
    await fixture.stop(await fixture.open());
    const connection = new Database(fixture.path);
    connection.prepare("INSERT INTO kysely_migration VALUES ('9999_later', '2030-01-01T00:00:00.000Z')").run();
    connection.close();

    await expect(Ledger.openReadOnly({ path: fixture.path })).rejects.toMatchObject({ code: "LEDGER_TOO_NEW" });
  });
});

async function appendUntilKilled(path: string, atLeast: number): Promise<number> {
  const script = fileURLToPath(new URL("./append-events.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=source", script, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let last = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    if (last === atLeast) {
      child.kill("SIGKILL");
    }
  }
  expect(await exited).toEqual([null, "SIGKILL"]);
  return last;
}

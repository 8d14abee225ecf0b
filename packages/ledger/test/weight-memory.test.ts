import { expect, test } from "vitest";
import { readWeightMemory } from "../src/weight-memory.ts";
import { ALICE, BOB, LedgerFixture, planAt, roundAt } from "./ledger-fixture.ts";

const scores = (w: number, lastRound: number) => ({
  states: [{ uid: 1, hotkey: ALICE, ema: w, points: 1, lastRound }],
  rows: [{ uid: 1, hotkey: ALICE, w, reason: null, lossBefore: 2, lossAfter: 1.8 }],
});

test("a miner earned last in the newest closed round that says so; before any did, before the first round", async () => {
  await using fixture = await LedgerFixture.create();
  const ledger = await fixture.open();
  expect(await readWeightMemory(ledger)).toEqual({ standings: [], last: null, earnedUntil: null });
  for (const id of [90, 135, 180, 225]) await ledger.rounds.save(roundAt(id));
  expect(await ledger.scores.earnedUntil()).toBe(1);
  await ledger.scores.closeRound(90, scores(0, 90));
  expect(await ledger.scores.earnedUntil()).toBe(1);
  await ledger.scores.closeRound(135, scores(0.5, 135));
  await ledger.scores.closeRound(180, scores(0, 180));
  expect(await ledger.scores.earnedUntil()).toBe(3);
});

test("standings are everybody's averages", async () => {
  await using fixture = await LedgerFixture.create();
  const ledger = await fixture.open();
  await ledger.rounds.save(roundAt(90));
  await ledger.scores.closeRound(90, scores(0.25, 90));
  expect((await readWeightMemory(ledger)).standings).toEqual([{ uid: 1, hotkey: ALICE, value: 0.25 }]);
});

test("the last weights are the newest verified ones, with their hotkeys", async () => {
  await using fixture = await LedgerFixture.create();
  const ledger = await fixture.open();
  await ledger.rounds.save(roundAt(40));
  for (const tempo of [1, 2, 3]) await ledger.intents.plan(planAt(tempo, { weights: [65_535, tempo] }));
  expect((await readWeightMemory(ledger)).last).toBeNull();
  for (const tempo of [1, 2]) await ledger.intents.transition(`42-0-${tempo}`, "verified", { block: 60 });
  expect((await readWeightMemory(ledger)).last).toMatchObject({ weights: [65_535, 2], hotkeys: [ALICE, BOB] });
});

test("weights of a release that noted no hotkeys cannot be kept", async () => {
  await using fixture = await LedgerFixture.create();
  const ledger = await fixture.open();
  await ledger.rounds.save(roundAt(40));
  await ledger.intents.plan(planAt(1, { hotkeys: [] }));
  await ledger.intents.transition("42-0-1", "verified", { block: 60 });
  expect((await readWeightMemory(ledger)).last).toBeNull();
});

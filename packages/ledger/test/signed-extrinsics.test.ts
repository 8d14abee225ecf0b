import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { LedgerFixture, planAt, roundAt } from "./ledger-fixture.ts";

const hashOf = (number: number) => `0x${number.toString(16).padStart(64, "0")}`;

test("what was signed is known over a restart, in any number, and nothing else is", async () => {
  await using fixture = await LedgerFixture.create();
  const ledger = await fixture.open();
  const extrinsic = { hash: hashOf(1), nonce: 7, kind: "set_weights", signedBlock: 10, lastBlock: 20 };
  await ledger.signedExtrinsics.record(extrinsic);
  await ledger.signedExtrinsics.record(extrinsic);
  const { signedExtrinsics } = await fixture.reopen(ledger);
  const many = Array.from({ length: 1_200 }, (_, index) => hashOf(index));
  expect(await signedExtrinsics.known(many)).toEqual(new Set([hashOf(1)]));
  expect(await signedExtrinsics.known([])).toEqual(new Set());
});

test("those of a call that a later block may include are told, the oldest first", async () => {
  await using fixture = await LedgerFixture.create();
  const { signedExtrinsics } = await fixture.open();
  const extrinsic = (number: number, kind: string, signedBlock: number) => {
    return { hash: hashOf(number), nonce: number, kind, signedBlock, lastBlock: signedBlock + 10 };
  };
  const newer = extrinsic(1, "set_weights", 14);
  const older = extrinsic(2, "set_weights", 11);
  for (const each of [newer, older, extrinsic(3, "set_weights", 10), extrinsic(4, "set_commitment", 14)]) {
    await signedExtrinsics.record(each);
  }
  expect(await signedExtrinsics.validAfter(20, "set_weights")).toEqual([older, newer]);
  expect(await signedExtrinsics.validAfter(24, "set_weights")).toEqual([]);
});

test("what can no longer matter is forgotten", async () => {
  await using fixture = await LedgerFixture.create();
  const { signedExtrinsics } = await fixture.open();
  const signed = (hash: string, block: number) =>
    signedExtrinsics.record({ hash, nonce: 0, kind: "set_weights", signedBlock: block, lastBlock: block + 10 });
  await signed(hashOf(1), 100);
  await signed(hashOf(2), 20_000);
  await signed(hashOf(3), 25_111);
  expect(await signedExtrinsics.known([hashOf(1), hashOf(2), hashOf(3)])).toEqual(new Set([hashOf(2), hashOf(3)]));
});

test("the newest verified weights are found by their block, over a restart", async () => {
  await using fixture = await LedgerFixture.create();
  const ledger = await fixture.open();
  expect(await ledger.verifiedWeights.newestBlock()).toBe(null);
  for (const [roundId, state, block] of [
    [40, "verified", 62],
    [85, "verified", 107],
    [130, "failed", 140],
  ] as const) {
    await ledger.rounds.save(roundAt(roundId));
    await ledger.intents.plan(planAt(roundId, { id: `2-${roundId}`, roundId }));
    await ledger.intents.transition(`2-${roundId}`, state, { block });
  }
  const { verifiedWeights } = await fixture.reopen(ledger);
  expect(await verifiedWeights.newestBlock()).toBe(107);
});

test("what an older release signed for its weights is known after the upgrade", async () => {
  await using fixture = await LedgerFixture.create();
  const ledger = await fixture.open();
  await ledger.rounds.save(roundAt(40));
  await ledger.intents.plan(planAt(3, { id: "2-40" }));
  await ledger.intents.transition("2-40", "signed", { extrinsicHash: hashOf(9) });
  await fixture.stop(ledger);
  const file = new Database(fixture.path);
  file.exec(
    "DROP TABLE signed_extrinsics; DROP TABLE receipt_bundles; DROP TABLE round_closings; DROP TABLE merge_ends",
  );
  file.exec("DELETE FROM kysely_migration WHERE name >= '0006_signed_extrinsics'");
  file.close();
  const { signedExtrinsics } = await fixture.open();
  expect(await signedExtrinsics.known([hashOf(8), hashOf(9)])).toEqual(new Set([hashOf(9)]));
});

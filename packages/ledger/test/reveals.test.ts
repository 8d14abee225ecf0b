import { expect, test } from "vitest";
import type { SentCommit } from "../src/reveals.ts";
import { LedgerFixture, planAt, roundAt } from "./ledger-fixture.ts";

const commit: SentCommit = {
  intentId: "42-40",
  way: "hashed",
  hash: `0x${"0a".repeat(32)}`,
  salt: [0, 65_535],
  epoch: 3,
  revealEpoch: 4,
  sentBlock: 61,
  deadlineBlock: 80,
};

test("commits of an intent are counted, kept with their salt over a restart, and settled one by one", async () => {
  await using fixture = await LedgerFixture.create();
  const ledger = await fixture.open();
  const { rounds, intents, reveals } = ledger;
  await rounds.save(roundAt(40));
  await intents.plan(planAt(0, { id: "42-40" }));
  expect(await reveals.latest("42-40")).toBeNull();

  const first = await reveals.record(commit);
  expect(first).toEqual({ ...commit, attempt: 1, state: "sent" });
  await reveals.settle(first, "gone");
  await reveals.record({ ...commit, way: "timelocked", salt: [] });

  const reopened = await fixture.reopen(ledger);
  const second = await reopened.reveals.latest("42-40");
  expect(second).toEqual({ ...commit, way: "timelocked", salt: [], attempt: 2, state: "sent" });
  if (second !== null) await reopened.reveals.settle(second, "landed");
  expect(await reopened.reveals.latest("42-40")).toMatchObject({ attempt: 2, state: "landed" });
});

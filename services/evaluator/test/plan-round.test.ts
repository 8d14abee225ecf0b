import { join } from "node:path";
import { ChainErrorCode } from "@assay/chain/chain-error";
import { encodeCommitment } from "@assay/core/commitment/payload";
import { SEED_45 } from "@assay/core/cycle/phase";
import { expect, onTestFinished, test } from "vitest";
import { PlanRoundDuty } from "../src/cycle/plan-round-duty.ts";
import { NETUID, openLedger, openStage, type Stage } from "./stage.ts";
import { playCommits } from "./submissions.ts";

const hash = "ab".repeat(32);
const other = "cd".repeat(32);

function createDuty({ client, ledger, store, metrics, logger, network, validator }: Stage) {
  const duty = new PlanRoundDuty(
    { chain: client, ledger, store, metrics, logger },
    { netuid: NETUID, network, validatorHotkey: validator.hotkey },
  );
  return () => duty.run(client.head());
}

test("a round is frozen once the first block of Submission is final, and not before", async () => {
  const stage = await openStage({ model: true });
  playCommits(stage, 0, [
    { miner: stage.miner(1), group: 0, hash },
    { miner: stage.miner(2), group: 1, hash: other },
  ]);
  const run = createDuty(stage);
  stage.chain.buildUntil(32);
  await run();
  expect(await stage.ledger.rounds.get(31)).toBe(null);

  stage.chain.buildUntil(33);
  await run();
  const { round } = (await stage.ledger.rounds.get(31)) ?? {};
  expect(round).toMatchObject({
    id: 31,
    cycle: 0,
    snapshotHash: stage.chain.hashOf(31),
    submissionFirst: 31,
    submissionLast: 33,
    seedBlock: 34,
    evaluationDeadline: 69,
    baseVersion: 0,
  });
  expect(round?.roster.map(({ uid, group, commitment }) => [uid, group, commitment?.hash])).toEqual([
    [1, 0, hash],
    [2, 1, other],
  ]);
  expect(stage.logger.lines()).toEqual(
    expect.arrayContaining([
      "[INFO] Submit phase opened at block 31 | round: 31 | cycle: 0",
      "[INFO] Committed hashes this cycle: 2 | round: 31 | assigned: 2",
    ]),
  );
});

test("the plan is the same after a restart, and from a validator that looked later and saw other announcements", async () => {
  const stage = await openStage({ model: true });
  playCommits(stage, 0, [{ miner: stage.miner(1), group: 0, hash }]);
  stage.chain.buildUntil(33);
  await createDuty(stage)();
  const planned = await stage.ledger.rounds.get(31);
  await stage.reopenLedger();
  await createDuty(stage)();
  expect(await stage.ledger.rounds.get(31)).toEqual(planned);

  const { hotkey } = stage.miner(1);
  stage.chain.putCommitment(hotkey, encodeCommitment({ group: 1 }, "miner"));
  stage.chain.buildUntil(60);
  const ledger = await openLedger(join(stage.folder, "late"));
  onTestFinished(() => ledger.stop());
  await ledger.groups.remember(hotkey, 1, 34);
  await createDuty({ ...stage, ledger })();
  expect(await ledger.rounds.get(31)).toEqual(planned);
});

test("a jump of 40 blocks over the Submission phase still gives a round, one past the deadline gives none", async () => {
  const stage = await openStage({ model: true });
  playCommits(stage, 0, [{ miner: stage.miner(1), group: 0, hash }]);
  stage.client.disconnect();
  stage.chain.buildUntil(69);
  stage.client.connect();
  await createDuty(stage)();
  expect((await stage.ledger.rounds.get(31))?.round.roster).toHaveLength(1);

  const later = await openStage({ model: true });
  playCommits(later, 0, [{ miner: stage.miner(1), group: 0, hash }]);
  later.chain.buildUntil(70);
  await createDuty(later)();
  expect(await later.ledger.rounds.open()).toEqual([]);
});

test("a table whose last phases have no blocks plans alike", async () => {
  const stage = await openStage({ model: true, schedule: SEED_45 });
  playCommits(stage, 0, [{ miner: stage.miner(1), group: 1, hash }]);
  stage.chain.buildUntil(42);
  await createDuty(stage)();
  expect((await stage.ledger.rounds.get(40))?.round).toMatchObject({
    submissionFirst: 40,
    submissionLast: 44,
    seedBlock: 45,
    evaluationDeadline: 79,
    roster: [{ uid: 1, group: 1, commitment: { hash } }],
  });
});

test("hostile commitments cost their authors the commitment and nobody else anything", async () => {
  const stage = await openStage({ model: true, miners: 5 });
  for (const each of stage.miners) await stage.ledger.groups.remember(each.hotkey, 0, 1);
  playCommits(stage, 0, [
    { miner: stage.miner(1), group: 0, hash },
    { miner: stage.miner(5), group: 1, hash },
  ]);
  stage.chain.putCommitment(stage.miner(2).hotkey, Uint8Array.of(0xff, 0x00, 0x7b));
  stage.chain.putCommitment(stage.miner(3).hotkey, new TextEncoder().encode(`{"e":0,"h":"${"a".repeat(500)}"}`));
  stage.chain.putCommitment(stage.miner(4).hotkey, encodeCommitment({ group: 99, hash }, "miner"));
  stage.chain.buildUntil(33);
  await createDuty(stage)();
  const roster = (await stage.ledger.rounds.get(31))?.round.roster;
  expect(roster?.map(({ uid, group, commitment }) => [uid, group, commitment?.hash ?? null])).toEqual([
    [1, 0, hash],
    [2, 0, null],
    [3, 0, null],
    [4, 0, null],
    [5, 1, hash],
  ]);
});

test("a node that has discarded the blocks of the round is an error, and a round planned before stays", async () => {
  const stage = await openStage({ model: true });
  stage.chain.buildUntil(40);
  stage.chain.discardStateBefore(35);
  await expect(createDuty(stage)()).rejects.toMatchObject({ code: ChainErrorCode.StateDiscarded });
  expect(await stage.ledger.rounds.open()).toEqual([]);
});

test("nothing is planned before the first Submission phase of the chain", async () => {
  const stage = await openStage({ model: true });
  stage.chain.buildUntil(30);
  await createDuty(stage)();
  expect(await stage.ledger.rounds.open()).toEqual([]);
});

import { describe, expect, test } from "vitest";
import type { EvaluationRecord } from "../src/evaluations.ts";
import type { SubmissionRecord } from "../src/submissions.ts";
import { ALICE, BOB, LedgerFixture, roundAt } from "./ledger-fixture.ts";

describe("rounds", () => {
  test("the same plan twice is one round, another plan under its id is refused", async () => {
    await using fixture = await LedgerFixture.create();
    const { rounds } = await fixture.open();
    await rounds.save(roundAt(40));
    await rounds.save(roundAt(40));

    await expect(rounds.save(roundAt(40, { baseVersion: 1 }))).rejects.toMatchObject({ code: "LEDGER_ROUND_CONFLICT" });
    expect(await rounds.get(40)).toEqual({ round: roundAt(40), seed: null, closed: false });
    expect(await rounds.get(85)).toBeNull();
  });

  test("open rounds come oldest first, the latest closed one is the newest", async () => {
    await using fixture = await LedgerFixture.create();
    const { rounds } = await fixture.open();
    for (const id of [175, 40, 130, 85]) {
      await rounds.save(roundAt(id));
    }
    expect(await rounds.latestClosed()).toBeNull();
    await rounds.close(40);
    await rounds.close(130);
    await rounds.close(130);

    expect((await rounds.open()).map(({ round }) => round.id)).toEqual([85, 175]);
    expect((await rounds.latestClosed())?.round.id).toBe(130);
  });

  test("a seed is set once", async () => {
    await using fixture = await LedgerFixture.create();
    const { rounds } = await fixture.open();
    await rounds.save(roundAt(40));
    await rounds.setSeed(40, "aa");
    await rounds.setSeed(40, "aa");

    await expect(rounds.setSeed(40, "bb")).rejects.toMatchObject({ code: "LEDGER_SEED_CONFLICT" });
    await expect(rounds.setSeed(41, "aa")).rejects.toMatchObject({ code: "LEDGER_ROUND_UNKNOWN" });
    expect((await rounds.get(40))?.seed).toBe("aa");
  });
});

describe("submissions", () => {
  const none: SubmissionRecord = { roundId: 40, uid: 2, hotkey: BOB, kind: "none" };
  const accepted: SubmissionRecord = {
    roundId: 40,
    uid: 2,
    hotkey: BOB,
    kind: "accepted",
    path: "submissions/40/b.safetensors",
    sha256: "ee".repeat(32),
    bytes: 512,
  };
  const rejected: SubmissionRecord = {
    roundId: 40,
    uid: 2,
    hotkey: BOB,
    kind: "rejected",
    reason: "malformed",
    detail: "header is not JSON",
  };

  test("only 'none' is replaced, and never comes back", async () => {
    await using fixture = await LedgerFixture.create();
    const { rounds, submissions, events } = await fixture.open();
    await rounds.save(roundAt(40));

    expect(await submissions.record(none)).toBe("recorded");
    expect(await submissions.record(accepted)).toBe("recorded");
    expect(await submissions.record(accepted)).toBe("unchanged");
    expect(await submissions.record(none)).toBe("ignored");
    expect(await submissions.record(rejected)).toBe("ignored");

    expect(await submissions.list(40)).toEqual([accepted]);
    expect(await events.recent(10)).toMatchObject([
      { kind: "outcome_ignored", fields: { table: "submissions", uid: 2, kept: "accepted", ignored: "rejected" } },
    ]);
  });

  test("a row of a round that was never saved is refused", async () => {
    await using fixture = await LedgerFixture.create();
    const { submissions } = await fixture.open();

    await expect(submissions.record(none)).rejects.toMatchObject({ code: "LEDGER_ROUND_UNKNOWN" });
  });
});

describe("evaluations", () => {
  const key = { roundId: 40, uid: 1, hotkey: ALICE };
  const failed: EvaluationRecord = { ...key, kind: "failed", code: "CHILD_EXITED", message: "The child died" };
  const losses = {
    lossBefore: 4.321,
    lossAfter: 3.512,
    tokens: 2,
    batchLosses: [{ tokens: 2, before: 8.642, after: 7.024 }],
  };
  const scored = { ...key, kind: "scored" as const, ...losses, band: 1e-5, datasetSha256: "da", seconds: 0.31 };

  test("our failure gives way to a real outcome, which then stays", async () => {
    await using fixture = await LedgerFixture.create();
    const { rounds, evaluations, events } = await fixture.open();
    await rounds.save(roundAt(40));

    expect(await evaluations.record(failed)).toBe("recorded");
    expect(await evaluations.record(scored)).toBe("recorded");
    expect(await evaluations.record(scored)).toBe("unchanged");
    expect(await evaluations.record(failed)).toBe("ignored");
    expect(await evaluations.record({ ...scored, lossAfter: 3.4 })).toBe("ignored");

    expect(await evaluations.list(40)).toEqual([scored]);
    expect(await events.recent(10)).toHaveLength(1);
  });

  test("of stages keep the first outcome of each, by uid and stage, and are no evaluations", async () => {
    await using fixture = await LedgerFixture.create();
    const ledger = await fixture.open();
    await ledger.rounds.save(roundAt(40));
    const other = { ...failed, uid: 2, hotkey: BOB };
    await ledger.evaluationStages.record({ stage: 0, outcome: other });
    await ledger.evaluationStages.record({ stage: 1, outcome: { ...scored, batchesLeft: 0 } });
    await ledger.evaluationStages.record({ stage: 0, outcome: { ...scored, batchesLeft: 1 } });
    await ledger.evaluationStages.record({ stage: 0, outcome: failed });

    const { evaluations, evaluationStages } = await fixture.reopen(ledger);
    expect(await evaluationStages.list(40)).toEqual([
      { stage: 0, outcome: { ...scored, batchesLeft: 1 } },
      { stage: 1, outcome: { ...scored, batchesLeft: 0 } },
      { stage: 0, outcome: other },
    ]);
    expect(await evaluationStages.list(85)).toEqual([]);
    expect(await evaluations.list(40)).toEqual([]);
  });

  test("the newest measurements tell the speed of each group, newest round first", async () => {
    await using fixture = await LedgerFixture.create();
    const { rounds, evaluations } = await fixture.open();
    for (const [index, roundId] of [40, 85, 130].entries()) {
      await rounds.save(roundAt(roundId));
      await evaluations.record({ ...scored, roundId, seconds: 1 + index });
      await evaluations.record({ ...scored, roundId, uid: 2, hotkey: BOB, seconds: 10 + index });
    }
    await rounds.save(roundAt(175));
    await evaluations.record({ ...failed, roundId: 175 });
    await evaluations.record({ ...key, roundId: 175, uid: 2, kind: "rejected", reason: "duplicate", detail: "" });

    expect(await evaluations.recentSpeeds(4)).toEqual([
      { group: 0, seconds: 3 },
      { group: 1, seconds: 12 },
      { group: 0, seconds: 2 },
      { group: 1, seconds: 11 },
    ]);
    expect(await evaluations.recentSpeeds(1)).toEqual([{ group: 1, seconds: 12 }]);
  });
});

describe("scores", () => {
  const states = [{ uid: 1, hotkey: ALICE, ema: 0.187, points: 1, lastRound: 40 }];
  const rows = [
    { uid: 1, hotkey: ALICE, w: 0.187, reason: null, lossBefore: 4.321, lossAfter: 3.512 },
    { uid: 2, hotkey: BOB, w: 0, reason: "not_committed", lossBefore: null, lossAfter: null },
  ];

  test("closing a round writes standings and rows once", async () => {
    await using fixture = await LedgerFixture.create();
    const { rounds, scores } = await fixture.open();
    await rounds.save(roundAt(40));

    expect(await scores.closeRound(40, { states, rows })).toBe(true);
    const changed = [{ uid: 1, hotkey: ALICE, ema: 0.9, points: 2, lastRound: 40 }];
    expect(await scores.closeRound(40, { states: changed, rows: [] })).toBe(false);

    expect(await scores.book()).toEqual(states);
    expect(await scores.rows(40)).toEqual(rows);
    expect((await rounds.get(40))?.closed).toBe(true);
  });

  test("a new hotkey on a uid replaces the old one's standing, and others keep theirs", async () => {
    await using fixture = await LedgerFixture.create();
    const { rounds, scores } = await fixture.open();
    await rounds.save(roundAt(40));
    await rounds.save(roundAt(85));
    await scores.closeRound(40, {
      states: [...states, { ...states[0], uid: 7, hotkey: "5Seven", ema: 0.5, points: 3, lastRound: 40 }],
      rows,
    });
    await scores.closeRound(85, { states: [{ uid: 1, hotkey: BOB, ema: 0.1, points: 1, lastRound: 85 }], rows: [] });

    expect(await scores.book()).toEqual([
      { uid: 1, hotkey: BOB, ema: 0.1, points: 1, lastRound: 85 },
      { uid: 7, hotkey: "5Seven", ema: 0.5, points: 3, lastRound: 40 },
    ]);
  });

  test("a close that fails half way leaves nothing", async () => {
    await using fixture = await LedgerFixture.create();
    const { rounds, scores } = await fixture.open();
    await rounds.save(roundAt(40));

    const unwritable = [{ uid: 3, hotkey: BOB, w: Number.NaN, reason: null, lossBefore: null, lossAfter: null }];
    await expect(scores.closeRound(40, { states, rows: [...rows, ...unwritable] })).rejects.toMatchObject({
      code: "LEDGER_STATEMENT_FAILED",
    });
    expect(await scores.book()).toEqual([]);
    expect(await scores.rows(40)).toEqual([]);
    expect((await rounds.get(40))?.closed).toBe(false);
  });
});

describe("what is recorded once per cycle", () => {
  test("our commitments keep their first block and refuse other bytes", async () => {
    await using fixture = await LedgerFixture.create();
    const { commitments } = await fixture.open();
    const commitment = { cycle: 3, step: "validatorCommit1", bytesHex: "aabb", block: 50, extrinsicHash: "0x0a" };
    await commitments.record(commitment);
    await commitments.record({ ...commitment, block: 51, extrinsicHash: "0x0b" });

    await expect(commitments.record({ ...commitment, bytesHex: "ccdd" })).rejects.toMatchObject({
      code: "LEDGER_COMMITMENT_CONFLICT",
    });
    expect(await commitments.get(3, "validatorCommit1")).toEqual(commitment);
    expect(await commitments.get(3, "validatorCommit2")).toBeNull();
  });

  test("a merge is recorded once", async () => {
    await using fixture = await LedgerFixture.create();
    const { merges } = await fixture.open();
    const merge = {
      cycle: 3,
      version: 4,
      digest: "ab".repeat(32),
      groups: [
        { group: 0, uid: 1 },
        { group: 1, uid: null },
      ],
    };
    await merges.record(merge);
    await merges.record(merge);

    await expect(merges.record({ ...merge, version: 5 })).rejects.toMatchObject({ code: "LEDGER_MERGE_CONFLICT" });
    expect(await merges.get(3)).toEqual(merge);
    expect(await merges.get(4)).toBeNull();
  });

  test("the first end of a cycle's merge stays", async () => {
    await using fixture = await LedgerFixture.create();
    const { mergeEnds } = await fixture.open();
    const end = {
      cycle: 3,
      result: "published",
      expected: ["a", "b", "c"],
      members: ["a", "b"],
      synced: ["a", "b"],
      leftOut: [{ hotkey: "c", reason: "absent" as const }],
      agreed: { version: "ab".repeat(32), momentum: "cd".repeat(32) },
    };
    const later = { ...end, cycle: 5, result: "no_quorum", members: [], synced: [], leftOut: [], agreed: null };
    await mergeEnds.record(later);
    await mergeEnds.record(end);
    await mergeEnds.record({ ...end, result: "behind" });
    expect(await mergeEnds.get(3)).toEqual(end);
    expect(await mergeEnds.get(4)).toBeNull();
    expect(await mergeEnds.list(0, 4)).toEqual([end]);
    expect(await mergeEnds.list(3, 5)).toEqual([end, later]);
  });

  test("a step is marked once", async () => {
    await using fixture = await LedgerFixture.create();
    const { steps } = await fixture.open();
    await steps.mark(3, "merge", { block: 10 });
    await steps.mark(3, "merge", { block: 11 });

    expect(await steps.done(3, "merge")).toBe(true);
    expect(await steps.done(4, "merge")).toBe(false);
  });

  test("a group announced earlier never replaces a later one", async () => {
    await using fixture = await LedgerFixture.create();
    const { groups } = await fixture.open();
    await groups.remember(ALICE, 1, 100);
    await groups.remember(ALICE, 2, 200);
    await groups.remember(ALICE, 1, 150);
    await groups.remember(BOB, 0, 90);

    expect(await groups.known()).toEqual(
      new Map([
        [ALICE, 2],
        [BOB, 0],
      ]),
    );
  });

  test("many writers at once never interleave", async () => {
    await using fixture = await LedgerFixture.create();
    const { rounds, scores } = await fixture.open();
    await rounds.save(roundAt(40));
    const rows = [{ uid: 1, hotkey: ALICE, w: 0.1, reason: null, lossBefore: 2, lossAfter: 1.8 }];

    const closed = await Promise.all(Array.from({ length: 20 }, () => scores.closeRound(40, { states: [], rows })));

    expect(closed.filter(Boolean)).toHaveLength(1);
    expect(await scores.rows(40)).toEqual(rows);
  });
});

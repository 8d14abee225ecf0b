import type { RosterEntry, Round } from "@assay/core/round/round";
import { scoringPolicy } from "@assay/core/scoring/policies/policies";
import { type RoundFindings, roundScores } from "@assay/core/scoring/round-scores";
import { measuredLosses } from "@assay/testing/builders/measured-losses";
import { describe, expect, test } from "vitest";

const rules = { policy: scoringPolicy("relative_reduction"), weightOfOld: 0.9 };

const entry = (
  uid: number,
  commitment: RosterEntry["commitment"] = { hash: "ab".repeat(32), signature: "s", block: 25 },
) => ({
  uid,
  hotkey: `hotkey-${uid}`,
  group: 0,
  commitment,
});

const round = (roster: readonly RosterEntry[]): Round => ({
  id: 60,
  cycle: 0,
  snapshotHash: "0x00",
  submissionFirst: 60,
  submissionLast: 71,
  seedBlock: 72,
  evaluationDeadline: 160,
  baseVersion: 0,
  roster,
});

const key = (uid: number) => ({ roundId: 60, uid, hotkey: `hotkey-${uid}` });

const findings = (parts: Partial<RoundFindings> & Pick<RoundFindings, "round">): RoundFindings => ({
  submissions: [],
  evaluations: [],
  arrived: new Set(),
  doorWasOpen: true,
  ...parts,
});

describe("the rows of a round", () => {
  test("a measured submission earns its share of the base loss, by the published example", () => {
    const evaluations = [{ ...key(1), kind: "scored" as const, ...measuredLosses(4.321, 3.512), seconds: 1 }];
    const { rows } = roundScores(
      findings({ round: round([entry(1)]), evaluations, arrived: new Set([1]) }),
      new Map(),
      rules,
    );
    expect(rows).toEqual([
      { uid: 1, hotkey: "hotkey-1", w: expect.closeTo(0.187225, 6), reason: null, lossBefore: 4.321, lossAfter: 3.512 },
    ]);
  });

  test.each([
    ["unchanged", 4.321],
    ["worse", 5],
  ])("an %s model earns nothing for no improvement", (_, lossAfter) => {
    const evaluations = [{ ...key(1), kind: "scored" as const, ...measuredLosses(4.321, lossAfter), seconds: 1 }];
    const { rows } = roundScores(findings({ round: round([entry(1)]), evaluations }), new Map(), rules);
    expect(rows[0]).toMatchObject({ w: 0, reason: "no_improvement" });
  });

  test("an inspected submission that was rejected earns nothing, for the reason inspection gave", () => {
    const submissions = [{ ...key(1), kind: "rejected" as const, reason: "hash_mismatch" as const, detail: "" }];
    const { rows } = roundScores(findings({ round: round([entry(1)]), submissions }), new Map(), rules);
    expect(rows[0]).toMatchObject({ w: 0, reason: "hash_mismatch", lossBefore: null });
  });

  test("a miner without commitment earns nothing, one that committed and stayed silent is late", () => {
    const { rows } = roundScores(findings({ round: round([entry(1, null), entry(2)]) }), new Map(), rules);
    expect(rows.map(({ uid, w, reason }) => [uid, w, reason])).toEqual([
      [1, 0, "not_committed"],
      [2, 0, "late"],
    ]);
  });
});

describe("the network's policy", () => {
  const evaluations = [3, 3.5, 3.5, 4].map((lossAfter, index) => ({
    ...key(index + 1),
    kind: "scored" as const,
    ...measuredLosses(4, lossAfter),
    seconds: 1,
  }));
  const roster = [entry(1), entry(2), entry(3), entry(4), entry(5, null)];
  const scoresBy = (policy: Parameters<typeof scoringPolicy>[0]) =>
    roundScores(findings({ round: round(roster), evaluations }), new Map(), {
      ...rules,
      policy: scoringPolicy(policy),
    });

  test.each([
    ["cycle_share", [0.5, 0.25, 0.25, 0, 0], [null, null, null, "no_improvement", "not_committed"]],
    ["rank_points", [2.25, 0, 0, 0, 0], [null, "tied", "tied", "no_improvement", "not_committed"]],
  ] as const)("%s decides what measured losses are worth, and nothing else", (policy, ws, reasons) => {
    const { rows, states } = scoresBy(policy);
    expect(rows.map(({ w }) => w)).toEqual(ws);
    expect(rows.map(({ reason }) => reason)).toEqual(reasons);
    expect(rows[0]).toMatchObject({ lossBefore: 4, lossAfter: 3 });
    expect(states.map(({ ema }) => ema)).toEqual(ws);
  });

  test("compares a submission that stopped early as if it had seen all batches", () => {
    const onTwo = {
      ...measuredLosses(4, 3),
      batchLosses: [4, 2].map((after) => ({ tokens: 48, before: 192, after: after * 48 })),
    };
    const onOne = { ...measuredLosses(4, 3.5, 48), batchLosses: [{ tokens: 48, before: 192, after: 3.5 * 48 }] };
    const inHalves = {
      ...onTwo,
      batchLosses: [3.5, 2.5].map((after) => ({ tokens: 48, before: 192, after: after * 48 })),
    };
    const evaluations = [onTwo, onOne, inHalves].map((losses, index) => ({
      ...key(index + 1),
      kind: "scored" as const,
      ...losses,
      seconds: 1,
    }));
    const { rows } = roundScores(
      findings({ round: round([entry(1), entry(2), entry(3)]), evaluations }),
      new Map(),
      rules,
    );
    // Those on both batches remove 0.25 nats on the first and 1 on both: the half nat of the first counts four times.
    expect(rows.map(({ w }) => w)).toEqual([0.25, 0.5, 0.25]);
    expect(rows[1]).toMatchObject({ lossBefore: 4, lossAfter: 3.5 });
  });
});

describe("the standings after a round", () => {
  const earlier = new Map([[1, { uid: 1, hotkey: "hotkey-1", ema: 0.5, points: 3 }]]);

  test("a zero that the miner earned moves its average", () => {
    const { states } = roundScores(findings({ round: round([entry(1, null)]) }), earlier, rules);
    expect(states).toEqual([{ uid: 1, hotkey: "hotkey-1", ema: 0.45, points: 4, lastRound: 60 }]);
  });

  test.each([
    ["we failed to measure it", { evaluations: [{ ...key(1), kind: "failed" as const, code: "X", message: "" }] }],
    ["its evaluation expired", { evaluations: [{ ...key(1), kind: "expired" as const }] }],
    ["its submission arrived and was never fetched", { arrived: new Set([1]) }],
    ["miners could not submit for most of the window", { doorWasOpen: false }],
  ])("no point at all when %s", (_, part) => {
    const { states, rows } = roundScores(findings({ round: round([entry(1)]), ...part }), earlier, rules);
    expect(states).toEqual([]);
    expect(rows[0]).toMatchObject({ uid: 1, w: 0, lossAfter: null });
  });

  test("a new owner of the slot starts from nothing", () => {
    const evaluations = [{ ...key(1), kind: "scored" as const, ...measuredLosses(4, 3), seconds: 1 }];
    const book = new Map([[1, { uid: 1, hotkey: "somebody-else", ema: 0.9, points: 9 }]]);
    const { states } = roundScores(findings({ round: round([entry(1)]), evaluations }), book, rules);
    expect(states).toEqual([{ uid: 1, hotkey: "hotkey-1", ema: 0.25, points: 1, lastRound: 60 }]);
  });
});

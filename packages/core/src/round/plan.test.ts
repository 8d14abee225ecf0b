import { describe, expect, test } from "vitest";
import { encodeCommitment } from "../commitment/payload.ts";
import { NINE_PHASE_45, SEED_45 } from "../cycle/phase.ts";
import { planRound, type RoundFacts } from "./plan.ts";
import type { ChainCommitment, Neuron } from "./snapshot.ts";

// Cycle 2 of the nine-phase table: MinerCommit1 115–117, MinerCommit2 118–120, Submission 121–123.
const signature = "s".repeat(86);
const hash = "ab".repeat(32);

describe("the plan of a round", () => {
  test("freezes the blocks of its cycle", () => {
    expect(planRound(facts({}))).toEqual({
      id: 121,
      cycle: 2,
      snapshotHash: `0x${"11".repeat(32)}`,
      submissionFirst: 121,
      submissionLast: 123,
      seedBlock: 124,
      evaluationDeadline: 159,
      baseVersion: 6,
      roster: [],
    });
  });

  test("works with a table whose cycle ends with Submission", () => {
    const plan = planRound(facts({ schedule: SEED_45, cycle: 0, block: 39 }));
    expect(plan).toMatchObject({ id: 40, submissionLast: 44, seedBlock: 45, evaluationDeadline: 79 });
  });

  test("lets the caller set the deadline", () => {
    expect(planRound({ ...facts({}), evaluationDeadline: 126 }).evaluationDeadline).toBe(126);
  });

  test("lists miners by UID with what they committed in both phases", () => {
    const plan = planRound(
      facts({
        neurons: [miner(7, "late"), miner(3, "full"), miner(5, "silent")],
        signatures: [signed("full", 115), signed("late", 117)],
        hashes: [hashed("full", 120)],
        knownGroups: new Map([
          ["silent", 3],
          ["late", 2],
        ]),
      }),
    );
    expect(plan.roster).toEqual([
      { uid: 3, hotkey: "full", group: 1, commitment: { hash, signature, block: 115 } },
      { uid: 5, hotkey: "silent", group: 3, commitment: null },
      { uid: 7, hotkey: "late", group: 2, commitment: null },
    ]);
  });

  test("leaves out validators, ourselves and whoever has no group", () => {
    const plan = planRound(
      facts({
        neurons: [{ ...miner(0, "peer"), validatorPermit: true }, miner(1, "us"), miner(2, "stranger")],
        knownGroups: new Map([
          ["peer", 0],
          ["us", 0],
        ]),
      }),
    );
    expect(plan.roster).toEqual([]);
  });

  test("takes a group announced alone, and an earlier one over a new one", () => {
    const plan = planRound(
      facts({
        neurons: [miner(1, "new"), miner(2, "mover")],
        hashes: [announced("new", 2), announced("mover", 2)],
        knownGroups: new Map([["mover", 0]]),
      }),
    );
    expect(plan.roster.map(({ hotkey, group }) => [hotkey, group])).toEqual([
      ["new", 2],
      ["mover", 0],
    ]);
  });

  test("leaves out groups that the model does not have", () => {
    const input = facts({ neurons: [miner(1, "a"), miner(2, "b")], hashes: [announced("a", 3), announced("b", 4)] });
    expect(planRound({ ...input, groupCount: 4 }).roster.map(({ uid }) => uid)).toEqual([1]);
  });

  test.each([
    ["signed before MinerCommit1", [signed("m", 114)], [hashed("m", 118)]],
    ["signed only after MinerCommit1", [signed("m", 118)], [hashed("m", 119)]],
    ["hash of an earlier cycle", [signed("m", 115)], [hashed("m", 75)]],
    ["hash only after MinerCommit2", [signed("m", 115)], [hashed("m", 121)]],
    ["no hash", [signed("m", 115)], [signed("m", 115)]],
    ["no signature", [hashed("m", 75)], [hashed("m", 118)]],
    ["rubbish for a hash", [signed("m", 115)], [{ hotkey: "m", block: 118, bytes: new Uint8Array([0xff]) }]],
    ["a hash over tensors", [signed("m", 115)], [hashed("m", 118, "cd".repeat(24))]],
  ])("takes no commitment: %s", (_, signatures, hashes) => {
    const plan = planRound(
      facts({ neurons: [miner(1, "m")], signatures, hashes, knownGroups: new Map([["m", 1]]), block: 123 }),
    );
    expect(plan.roster).toEqual([{ uid: 1, hotkey: "m", group: 1, commitment: null }]);
  });

  test("refuses a snapshot from before the hashes were in", () => {
    expect(() => planRound(facts({ block: 119 }))).toThrow(RangeError);
  });
});

interface Scene {
  readonly neurons?: readonly Neuron[];
  readonly signatures?: readonly ChainCommitment[];
  readonly hashes?: readonly ChainCommitment[];
  readonly knownGroups?: ReadonlyMap<string, number>;
  readonly schedule?: RoundFacts["schedule"];
  readonly cycle?: number;
  readonly block?: number;
}

function facts(scene: Scene): RoundFacts {
  return {
    snapshot: {
      netuid: 42,
      block: scene.block ?? 120,
      hash: `0x${"11".repeat(32)}`,
      neurons: scene.neurons ?? [],
      stakeIsTotal: true,
      hyperparameters: {
        tempo: 45,
        weightsRateLimit: 10,
        weightsVersionKey: 0n,
        minAllowedWeights: 1,
        maxWeightsLimit: 65_535,
        commitRevealEnabled: false,
        stakeThresholdRao: 0n,
        ownerHotkey: "",
      },
      commitments: scene.hashes ?? [],
    },
    signatureCommitments: scene.signatures ?? [],
    cycle: scene.cycle ?? 2,
    schedule: scene.schedule ?? NINE_PHASE_45,
    knownGroups: scene.knownGroups ?? new Map(),
    baseVersion: 6,
    validatorHotkey: "us",
  };
}

function miner(uid: number, hotkey: string): Neuron {
  return { uid, hotkey, coldkey: "c", stakeRao: 0n, validatorPermit: false, lastUpdate: 0, axon: null };
}

function signed(hotkey: string, block: number): ChainCommitment {
  return { hotkey, block, bytes: encodeCommitment({ signature, group: 1 }, "miner") };
}

function hashed(hotkey: string, block: number, committed: string = hash): ChainCommitment {
  return { hotkey, block, bytes: encodeCommitment({ hash: committed, group: 1, version: 6 }, "miner") };
}

function announced(hotkey: string, group: number): ChainCommitment {
  return { hotkey, block: 90, bytes: encodeCommitment({ group }, "miner") };
}

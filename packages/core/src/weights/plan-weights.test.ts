import { describe, expect, test } from "vitest";
import { NINE_PHASE_45 } from "../cycle/phase.ts";
import type { Neuron, SubnetHyperparameters } from "../round/snapshot.ts";
import { planWeights, type WeightFacts, type WeightMemory } from "./plan-weights.ts";
import { changedOwners, type HeldWeights } from "./slots.ts";
import { SCORES_ALONE, type WeightPolicy } from "./weight-policy.ts";

const RULES: SubnetHyperparameters = {
  tempo: 360,
  weightsRateLimit: 100,
  weightsVersionKey: 0n,
  minAllowedWeights: 1,
  maxWeightsLimit: 65_535,
  commitRevealEnabled: false,
  stakeThresholdRao: 0n,
  ownerHotkey: "owner",
};

/** Slot 0 is ours, slot 5 the owner's. */
const HOTKEYS = ["validator", "alice", "bob", "carol", "peer", "owner"];

interface Scene extends Partial<Pick<WeightFacts, "votes">>, Partial<Pick<WeightMemory, "last">> {
  readonly scores?: Readonly<Record<string, number>>;
  readonly hotkeys?: readonly string[];
  readonly owner?: string;
  readonly rules?: Partial<SubnetHyperparameters>;
  readonly policy?: Partial<WeightPolicy>;
  /** Cycles since a miner earned. */
  readonly staleCycles?: number;
}

/** As of cycle 9 of the nine-phase table. */
function plan(scene: Scene) {
  const { scores = {}, hotkeys = HOTKEYS, owner = "owner", rules, policy, votes = [], last = null } = scene;
  const standings = Object.entries(scores).map(([hotkey, value]) => ({ uid: HOTKEYS.indexOf(hotkey), hotkey, value }));
  const hyperparameters = { ...RULES, ...rules, ownerHotkey: owner };
  const subnet = { block: 9 * 45 + 3, neurons: hotkeys.map(neuron), hyperparameters };
  const memory = { standings, last, earnedUntil: 9 - (scene.staleCycles ?? 0) };
  const network = { schedule: NINE_PHASE_45, weights: { ...SCORES_ALONE, ...policy } };
  return planWeights({ memory, subnet, ownHotkey: "validator", votes }, network);
}

function neuron(hotkey: string, uid: number): Neuron {
  return { uid, hotkey, coldkey: hotkey, stakeRao: 0n, validatorPermit: false, lastUpdate: 0, axon: null };
}

describe("weights by scores", () => {
  test("name the hotkey of each slot and the rule that made them", () => {
    expect(plan({ scores: { alice: 0.2, bob: 0.1, carol: 0 } })).toEqual({
      kind: "weights",
      origin: "scores",
      uids: [1, 2],
      weights: [65_535, 32_768],
      hotkeys: ["alice", "bob"],
      burn: null,
      capped: [],
      left: [{ uid: 3, hotkey: "carol", value: 0, reason: "no_weight" }],
    });
  });

  test("leave out who has no slot, whose share the others get in proportion; the slot's new owner gets nothing", () => {
    const hotkeys = ["validator", "newcomer", "bob", "carol", "peer", "owner"];
    expect(plan({ scores: { alice: 0.9, bob: 0.2, carol: 0.1 }, hotkeys })).toMatchObject({
      uids: [2, 3],
      weights: [65_535, 32_768],
      hotkeys: ["bob", "carol"],
      left: [{ uid: 1, hotkey: "alice", value: 0.9, reason: "deregistered" }],
    });
  });

  test("follow a hotkey to the slot that it has now", () => {
    const hotkeys = ["validator", "bob", "newcomer", "alice"];
    expect(plan({ scores: { alice: 0.2, bob: 0.1 }, hotkeys })).toMatchObject({
      uids: [1, 3],
      weights: [32_768, 65_535],
      hotkeys: ["bob", "alice"],
      left: [],
    });
  });

  test("take the standing of the present slot where a hotkey has an older one too", () => {
    const subnet = { block: 1, neurons: HOTKEYS.map(neuron), hyperparameters: RULES };
    const standings = [
      { uid: 1, hotkey: "alice", value: 0.2 },
      { uid: 2, hotkey: "bob", value: 0.2 },
      { uid: 3, hotkey: "alice", value: 0.9 },
      { uid: 4, hotkey: "carol", value: 0.5 },
      { uid: 5, hotkey: "carol", value: 0.1 },
    ];
    const facts = { memory: { standings, last: null, earnedUntil: null }, subnet, ownHotkey: null, votes: [] };
    expect(planWeights(facts, { schedule: NINE_PHASE_45 })).toMatchObject({
      uids: [1, 2, 3],
      weights: [65_535, 65_535, 32_768],
      left: [
        { uid: 3, hotkey: "alice", value: 0.9, reason: "older_slot" },
        { uid: 4, hotkey: "carol", value: 0.5, reason: "older_slot" },
      ],
    });
  });

  test("are refused, not padded, when the subnet takes only longer vectors or smaller shares", () => {
    expect(plan({ scores: { alice: 1 }, rules: { minAllowedWeights: 2 } })).toEqual({
      kind: "none",
      reason: "too_few_weights",
      fields: { weights: 1, atLeast: 2 },
      left: [],
    });
    expect(plan({ scores: { alice: 2, bob: 1 }, rules: { maxWeightsLimit: 20_000 } })).toMatchObject({
      reason: "max_weight_unmet",
      fields: { weights: 2, atLeast: 4 },
    });
  });

  test("say whose share the subnet's limit cut", () => {
    const result = plan({ scores: { alice: 8, bob: 3, carol: 1 }, rules: { maxWeightsLimit: 32_768 } });
    expect(result).toMatchObject({ kind: "weights", weights: [65_535, 49_151, 16_384], capped: [1] });
  });
});

describe("the burn share", () => {
  test("goes to the owner's slot, and the miners share the rest by score", () => {
    // 0.25 of the sum for the owner, 0.5 and 0.25 for the miners.
    expect(plan({ scores: { alice: 0.2, bob: 0.1 }, policy: { burnShare: 0.25 } })).toMatchObject({
      origin: "scores",
      uids: [1, 2, 5],
      weights: [65_535, 32_768, 32_768],
      hotkeys: ["alice", "bob", "owner"],
      burn: { uid: 5, share: 32_768 / 131_071 },
    });
  });

  test("comes on top of what the owner earned as a miner", () => {
    const result = plan({ scores: { alice: 0.5, owner: 0.5 }, policy: { burnShare: 0.5 } });
    expect(result).toMatchObject({ uids: [1, 5], weights: [21_845, 65_535] });
  });

  test("of the whole needs no scores", () => {
    const burnt = { origin: "burn", uids: [5], weights: [65_535], burn: { uid: 5, share: 1 } };
    expect(plan({ policy: { burnShare: 1 } })).toMatchObject(burnt);
    expect(plan({ scores: { alice: 1 }, policy: { burnShare: 1 } })).toMatchObject({
      ...burnt,
      left: [{ hotkey: "alice", reason: "no_weight" }],
    });
  });

  test.each([
    ["has no slot", "elsewhere"],
    ["is named by nobody", ""],
  ])("is never paid to miners instead when the owner %s", (_, owner) => {
    expect(plan({ scores: { alice: 1 }, owner, policy: { burnShare: 0.05 } })).toMatchObject({
      reason: "no_burn_slot",
    });
    expect(plan({ scores: { alice: 1 }, owner })).toMatchObject({ kind: "weights", burn: null });
  });

  test("is cut as any other by the subnet's largest share", () => {
    const policy = { burnShare: 0.9 };
    const result = plan({ scores: { alice: 2, bob: 1 }, policy, rules: { maxWeightsLimit: 39_321 } });
    expect(result).toMatchObject({ uids: [1, 2, 5], weights: [29_127, 14_563, 65_535], capped: [5] });
  });
});

describe("when no miner has a score", () => {
  const scores = { alice: 0, bob: Number.NaN };
  const last: HeldWeights = {
    uids: [1, 2, 3, 5],
    weights: [65_535, 32_768, 16_384, 9000],
    hotkeys: ["alice", "bob", "gone", "owner"],
  };

  test("nothing is set unless the network says otherwise", () => {
    expect(plan({ scores, last })).toEqual({
      kind: "none",
      reason: "no_positive_score",
      fields: {},
      left: [
        { uid: 1, hotkey: "alice", value: 0, reason: "no_weight" },
        { uid: 2, hotkey: "bob", value: Number.NaN, reason: "no_weight" },
      ],
    });
  });

  test("the last weights are kept, without those who left and without what was burned then", () => {
    expect(plan({ scores, last, policy: { allZero: "keep_last" } })).toMatchObject({
      origin: "keep_last",
      uids: [1, 2],
      weights: [65_535, 32_768],
      burn: null,
      left: [{ uid: 3, hotkey: "gone", value: 16_384, reason: "deregistered" }],
    });
  });

  test("what is burned beside kept weights is the share of now", () => {
    const policy = { allZero: "keep_last", burnShare: 0.25 } as const;
    expect(plan({ last, policy })).toMatchObject({ uids: [1, 2, 5], burn: { uid: 5, share: 32_768 / 131_071 } });
  });

  test.each([
    [null],
    [{ uids: [5], weights: [65_535], hotkeys: ["owner"] }],
    [{ uids: [1], weights: [65_535], hotkeys: ["gone"] }],
  ])("there is nothing to keep of %j", (held) => {
    expect(plan({ last: held, policy: { allZero: "keep_last" } })).toMatchObject({ reason: "no_last_weights" });
  });

  test("everything is burned where the network says so", () => {
    const policy = { allZero: "burn" } as const;
    expect(plan({ scores, policy })).toMatchObject({ origin: "burn", uids: [5], burn: { uid: 5, share: 1 } });
    expect(plan({ scores, owner: "", policy })).toMatchObject({ reason: "no_burn_slot" });
  });
});

describe("when no miner earned for too long", () => {
  const fallback = { afterCycles: 3, top: 2 };
  const vote = (stakeRao: bigint, weights: readonly (readonly [number, number])[], hotkey = "peer") => {
    return { hotkey, stakeRao, weights };
  };
  const stale: Scene = { scores: { alice: 0.5 }, staleCycles: 4, policy: { fallback } };

  test("those are paid that others pay most by stake, all alike", () => {
    const votes = [
      vote(100n, [
        [1, 65_535],
        [2, 32_768],
      ]),
      vote(900n, [
        [2, 10],
        [3, 90],
        [5, 65_535],
      ]),
    ];
    expect(plan({ ...stale, votes })).toMatchObject({
      origin: "fallback",
      uids: [2, 3],
      weights: [65_535, 65_535],
      hotkeys: ["bob", "carol"],
      left: [{ hotkey: "alice", reason: "no_weight" }],
    });
  });

  test("a vote for one counts, and an even one of several is somebody's fallback and does not", () => {
    const even = vote(900n, [
      [1, 65_535],
      [2, 65_535],
    ]);
    expect(plan({ ...stale, votes: [even, vote(1n, [[3, 7]])] })).toMatchObject({ origin: "fallback", uids: [3] });
    expect(plan({ ...stale, votes: [even] })).toMatchObject({ origin: "scores", uids: [1] });
  });

  test("neither voters nor we nor the owner are paid, and no stake is no vote", () => {
    const votes = [
      vote(5n, [
        [0, 1],
        [4, 2],
        [5, 3],
      ]),
      vote(0n, [[1, 1]]),
    ];
    expect(plan({ staleCycles: 4, policy: { fallback }, votes })).toMatchObject({ reason: "no_positive_score" });
  });

  test("scores count until then, and always where the network has no fallback", () => {
    const votes = [vote(9n, [[3, 1]])];
    expect(plan({ ...stale, votes, staleCycles: 3 })).toMatchObject({ origin: "scores", uids: [1] });
    expect(plan({ ...stale, votes, policy: {} })).toMatchObject({ origin: "scores", uids: [1] });
  });

  test("the burn share is taken from these too", () => {
    const policy = { fallback, burnShare: 0.5 };
    const result = plan({ ...stale, votes: [vote(9n, [[3, 1]])], policy });
    expect(result).toMatchObject({ origin: "fallback", uids: [3, 5], weights: [65_535, 65_535] });
  });
});

test("a slot that another has, or nobody, is a change; a hotkey that kept its slot is none", () => {
  const planned = { uids: [1, 2, 9], hotkeys: ["alice", "bob", "carol"] };
  const holders = [neuron("validator", 0), neuron("newcomer", 1), neuron("bob", 2), neuron("alice", 3)];
  expect(changedOwners(planned, holders)).toEqual([
    { uid: 1, hotkey: "alice", holder: "newcomer" },
    { uid: 9, hotkey: "carol", holder: null },
  ]);
  expect(changedOwners({ uids: [2], hotkeys: ["bob"] }, holders)).toEqual([]);
  expect(changedOwners({ uids: [1], hotkeys: [] }, holders)).toEqual([]);
});

import { describe, expect, test } from "vitest";
import type { Neuron, SubnetHyperparameters } from "../round/snapshot.ts";
import { WEIGHT_OBSTACLES, type WeighedVector, weightObstacles } from "./obstacles.ts";

const RULES: SubnetHyperparameters = {
  tempo: 360,
  weightsRateLimit: 100,
  weightsVersionKey: 5n,
  minAllowedWeights: 1,
  maxWeightsLimit: 65_535,
  commitRevealEnabled: false,
  stakeThresholdRao: 1_000n,
  ownerHotkey: "owner",
};
const VECTOR: WeighedVector = { uids: [1, 2], weights: [65_535, 32_768], versionKey: 5n, hotkeys: ["m1", "m2"] };

interface Scene {
  readonly own?: Partial<Neuron>;
  readonly rules?: Partial<SubnetHyperparameters>;
  readonly vector?: Partial<WeighedVector>;
  readonly stakeIsTotal?: boolean;
}

function neuron(uid: number, hotkey: string, parts: Partial<Neuron> = {}): Neuron {
  const rest = { coldkey: "c", stakeRao: 1_000n, validatorPermit: true, lastUpdate: 0, axon: null };
  return { uid, hotkey, ...rest, ...parts };
}

function obstacles({ own = {}, rules = {}, vector = {}, stakeIsTotal = true }: Scene) {
  const validator = neuron(0, "us", own);
  const neurons = [validator, neuron(1, "m1"), neuron(2, "m2"), neuron(3, "m3")];
  const subnet = { block: 500, neurons, hyperparameters: { ...RULES, ...rules }, stakeIsTotal };
  return weightObstacles({ ...VECTOR, ...vector }, "us", subnet);
}

describe("weights that the chain takes", () => {
  test.each<readonly [string, Scene]>([
    ["of a validator in good standing", {}],
    ["with the last block of the rate limit just over", { own: { lastUpdate: 401 } }],
    [
      "of the owner's hotkey, with neither stake nor permit",
      {
        own: { stakeRao: 0n, validatorPermit: false },
        rules: { ownerHotkey: "us" },
      },
    ],
    [
      "of a neuron for itself alone, without a permit, fewer and larger than others' may be",
      {
        own: { validatorPermit: false },
        rules: { minAllowedWeights: 3, maxWeightsLimit: 100 },
        vector: { uids: [0], weights: [65_535], hotkeys: ["us"] },
      },
    ],
    ["with a stake of which only a part is known", { own: { stakeRao: 1n }, stakeIsTotal: false }],
    ["with a version key above the subnet's", { vector: { versionKey: 6n } }],
    ["planned without a note of who owned the slots", { vector: { hotkeys: [] } }],
    [
      "with a share exactly at the limit",
      {
        rules: { maxWeightsLimit: 32_768 },
        vector: { weights: [65_535, 65_535] },
      },
    ],
  ])("%s have no obstacle", (_case, scene) => {
    expect(obstacles(scene)).toEqual([]);
  });
});

describe("what stands in the way", () => {
  test.each<readonly [string, Scene, object]>([
    ["stake_too_low", { own: { stakeRao: 999n } }, { stake_rao: "999", threshold_rao: "1000" }],
    ["version_key", { vector: { versionKey: 4n } }, { given: "4", least: "5" }],
    ["rate_limited", { own: { lastUpdate: 402 } }, { last_update: 402, until: 502, blocks: 1 }],
    ["no_permit", { own: { validatorPermit: false } }, { uid: 0 }],
    ["uid_reassigned", { vector: { hotkeys: ["m1", "gone"] } }, { uid: 2 }],
    ["too_few_weights", { rules: { minAllowedWeights: 3 } }, { weights: 2, least: 3 }],
    ["weight_too_large", { rules: { maxWeightsLimit: 40_000 } }, { uid: 1, limit: 40_000 / 65_535 }],
  ])("is told as %s", (code, scene, fields) => {
    expect(obstacles(scene)).toEqual([{ code, fields: expect.objectContaining(fields) }]);
    expect(Object.keys(WEIGHT_OBSTACLES)).toContain(code);
  });

  test("is the missing slot alone, as nothing else can be asked without it", () => {
    const subnet = { block: 500, neurons: [], hyperparameters: RULES, stakeIsTotal: true };
    expect(weightObstacles(VECTOR, "us", subnet)).toEqual([{ code: "not_registered", fields: { hotkey: "us" } }]);
  });

  test("comes all at once, in the order in which the chain checks", () => {
    const own = { stakeRao: 0n, validatorPermit: false, lastUpdate: 499 };
    const found = obstacles({ own, rules: { minAllowedWeights: 4 }, vector: { versionKey: 0n } });
    expect(found.map(({ code }) => code)).toEqual([
      "stake_too_low",
      "version_key",
      "rate_limited",
      "no_permit",
      "too_few_weights",
    ]);
  });

  test("needs no more weights than the subnet has neurons", () => {
    const found = obstacles({ rules: { minAllowedWeights: 64 } });
    expect(found).toEqual([{ code: "too_few_weights", fields: { weights: 2, least: 4 } }]);
  });
});

import { describe, expect, test } from "vitest";
import { chainViewSchema } from "./chain-view.ts";
import { NINE_PHASE_45, SEED_45 } from "./cycle/phase.ts";
import { modelManifestSchema } from "./model-manifest.ts";
import { groupCount, networkSchema, weightPolicyOf } from "./network.ts";
import { submissionReceiptSchema } from "./submission-receipt.ts";

const sha256 = "ab".repeat(32);

const chainView = {
  schema: 1,
  netuid: 42,
  block: 54_321,
  cycle: 1207,
  phase: "train",
  phaseFirstBlock: 54_320,
  phaseLastBlock: 54_339,
  nextDistributeBlock: 54_360,
  nextSubmissionBlock: 54_346,
  blockMillis: 12_000,
  updatedAt: 1_795_000_000_000,
  validatorHotkey: "5V",
  roster: [{ uid: 3, hotkey: "5M", role: "miner", group: null, committedHash: null }],
};
const manifest = {
  schema: 3,
  version: 0,
  parent: null,
  cycle: null,
  block: null,
  model: sha256,
  shared: { name: "shared.safetensors", bytes: 10, sha256 },
  groups: [{ group: 0, storage: "model", name: "group-0.safetensors", bytes: 10, sha256 }],
  full: { name: "full.safetensors", bytes: 20, sha256 },
  digest: sha256,
};
const receipt = {
  schema: 1,
  submissionId: "s-1",
  roundId: 54_346,
  uid: 3,
  hotkey: "5M",
  group: 1,
  signedBlock: 54_346,
  receivedBlock: 54_347,
  receivedAt: 1_795_000_000_000,
  signature: "x",
  source: { kind: "pull", url: "https://miner.example/7" },
};
const network = {
  name: "localnet",
  blockMillis: 250,
  schedule: NINE_PHASE_45,
  expertGroups: 4,
  evaluation: { sequences: 64, sequenceLength: 64, policy: "relative_reduction" },
  merge: { outerLearningRate: 0.7, outerMomentum: 0.9, topSubmissions: 1, normBound: 4 },
};

describe.each([
  ["chain view", chainViewSchema, chainView],
  ["model manifest", modelManifestSchema, manifest],
  ["submission receipt", submissionReceiptSchema, receipt],
  ["network", networkSchema, network],
] as const)("a %s", (_, schema, value) => {
  test("is read back as it was written", () => {
    expect(schema.parse(JSON.parse(JSON.stringify(value)))).toEqual(value);
  });

  test("is refused with a key that nobody wrote", () => {
    expect(schema.safeParse({ ...value, extra: 1 }).success).toBe(false);
  });

  test.each(Object.keys(value))("is refused without %s", (key) => {
    expect(schema.safeParse({ ...value, [key]: undefined }).success).toBe(false);
  });
});

test("a network may name each group's assignment, and refuses experts of no group unless it says otherwise", () => {
  const assignments = { "0": "a.json", "1": "b.json" };
  const parsed = networkSchema.parse({ ...network, expertGroups: { assignments } });
  expect(parsed.expertGroups).toEqual({ assignments, unassigned: "refuse" });
  expect(groupCount(parsed)).toBe(2);
  expect(groupCount(network)).toBe(4);
});

test.each([
  [0],
  [{ assignments: {} }],
  [{ assignments: { "1": "b.json" } }],
  [{ assignments: { "0": "a.json", "2": "b.json" } }],
  [{ assignments: { "0": "" } }],
  [{ assignments: { "0": "a.json" }, unassigned: "ignore" }],
  [{ assignments: { "0": "a.json" }, groups: 1 }],
])("a network does not cut its model by %j", (expertGroups) => {
  expect(networkSchema.safeParse({ ...network, expertGroups }).success).toBe(false);
});

test("a network may leave out the last four phases but none of the first", () => {
  expect(networkSchema.safeParse({ ...network, schedule: SEED_45 }).success).toBe(true);
  expect(networkSchema.safeParse({ ...network, schedule: { ...SEED_45, submission: 0 } }).success).toBe(false);
});

describe("a network's weights", () => {
  const weightsOf = (weights: object | undefined) => {
    const parsed = networkSchema.safeParse(weights === undefined ? network : { ...network, weights });
    return parsed.success ? weightPolicyOf(parsed.data) : null;
  };

  test("follow scores alone where the file does not say", () => {
    expect(weightsOf(undefined)).toEqual({ burnShare: 0, allZero: "skip" });
    expect(weightsOf({})).toEqual({ burnShare: 0, allZero: "skip" });
  });

  test("are burned, kept or taken from others only where the file says so", () => {
    const fallback = { afterCycles: 3, top: 3 };
    expect(weightsOf({ burnShare: 0.05, allZero: "burn", fallback })).toEqual({
      burnShare: 0.05,
      allZero: "burn",
      fallback,
    });
  });

  test.each([
    { burnShare: 1.01 },
    { burnShare: -0.1 },
    { allZero: "uniform" },
    { fallback: { afterCycles: 0, top: 3 } },
    { fallback: { afterCycles: 3, top: 0 } },
    { fallback: { afterCycles: 3 } },
    { burn: 0.05 },
  ])("are refused as %j", (weights) => {
    expect(weightsOf(weights)).toBeNull();
  });
});

describe("what a network's evaluation may leave out", () => {
  const { policy: _, ...evaluation } = network.evaluation;
  const sequential = { batchSequences: 8, stageBatches: 5, keep: 3, errorLevel: 0.05 };
  const parse = (parts: object) => networkSchema.safeParse({ ...network, evaluation: { ...evaluation, ...parts } });

  test("is the policy, which then is the relative reduction, and the stages, which then are none", () => {
    expect(parse({}).data?.evaluation).toEqual({ ...evaluation, policy: "relative_reduction" });
    expect(parse({ policy: "rank_points", sequential }).data?.evaluation).toMatchObject({
      policy: "rank_points",
      sequential,
    });
  });

  test.each([
    { policy: "highest_loss" },
    { sequential: {} },
    { sequential: { ...sequential, stageBatches: 2 } },
    { sequential: { ...sequential, keep: 0 } },
    { sequential: { ...sequential, errorLevel: 0 } },
    { sequential: { ...sequential, batches: 50 } },
  ])("is refused as %j", (parts) => {
    expect(parse(parts).success).toBe(false);
  });
});

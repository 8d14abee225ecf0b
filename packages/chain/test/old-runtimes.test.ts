import {
  EDITION_143,
  EDITION_218,
  type RuntimeEdition,
  TOMORROWS_EDITION,
} from "@assay/localnet/chain/metadata/runtime-edition";
import { afterEach, describe, expect, test } from "vitest";
import {
  commitHashed,
  commitment,
  NETUID,
  RefusalScene,
  reveal,
  type SceneOptions,
  serveAxon,
  setWeights,
  TAO,
} from "./refusal-scene.ts";
import { endAll } from "./test-chain.ts";

afterEach(endAll);

const SPEC_143 = { specVersion: 143, edition: EDITION_143 };
const SPEC_218 = { specVersion: 218, edition: EDITION_218 };

type Row = readonly [
  name: string,
  code: string,
  provoke: (scene: RefusalScene) => Promise<unknown>,
  hyperparameters?: SceneOptions["hyperparameters"],
];

/** Rows of equal length, as `test.each` wants them. */
function rows(all: readonly Row[]) {
  return all.map(([name, code, provoke, hyperparameters = {}]) => [name, code, provoke, hyperparameters] as const);
}

const tooManyUids = setWeights({ uids: [0, 1, 2, 3, 4], weights: [1, 1, 1, 1, 1] });
const committedTwice = async (scene: RefusalScene) => {
  await scene.land(commitment(1));
  await scene.land(commitment(1));
};

const NAMES_OF_143: readonly Row[] = [
  ["RateLimitExceeded", "CHAIN_RATE_LIMITED", committedTwice],
  ["CannotCommit", "CHAIN_NOT_REGISTERED", (scene) => scene.land(commitment(1), "stranger")],
  ["NoValidatorPermit", "CHAIN_NO_PERMIT", (scene) => scene.land(setWeights(), "staked")],
  ["NotRegistered", "CHAIN_NOT_REGISTERED", (scene) => scene.land(setWeights(), "stranger")],
  ["InvalidUid", "CHAIN_WEIGHTS_INVALID", (scene) => scene.land(setWeights({ uids: [1, 2, 9] }))],
  [
    "IncorrectNetworkVersionKey",
    "CHAIN_VERSION_KEY",
    (scene) => scene.land(setWeights({ versionKey: 8n })),
    { weightsVersionKey: 9n },
  ],
  ["NotSettingEnoughWeights", "CHAIN_WEIGHTS_INVALID", (scene) => scene.land(setWeights()), { minAllowedWeights: 4 }],
  ["TooManyUids", "CHAIN_WEIGHTS_INVALID", (scene) => scene.land(tooManyUids)],
  ["NetworkDoesNotExist", "CHAIN_SUBNET_UNKNOWN", (scene) => scene.land(setWeights({ netuid: 77 }))],
];

const NAMES_OF_218: readonly Row[] = [
  ["CommitmentSetRateLimitExceeded", "CHAIN_RATE_LIMITED", committedTwice],
  ["AccountNotAllowedCommit", "CHAIN_NOT_REGISTERED", (scene) => scene.land(commitment(1), "stranger")],
  ["NeuronNoValidatorPermit", "CHAIN_NO_PERMIT", (scene) => scene.land(setWeights(), "staked")],
  ["HotKeyNotRegisteredInSubNet", "CHAIN_NOT_REGISTERED", (scene) => scene.land(setWeights(), "stranger")],
  ["UidVecContainInvalidOne", "CHAIN_WEIGHTS_INVALID", (scene) => scene.land(setWeights({ uids: [1, 2, 9] }))],
  [
    "IncorrectWeightVersionKey",
    "CHAIN_VERSION_KEY",
    (scene) => scene.land(setWeights({ versionKey: 8n })),
    { weightsVersionKey: 9n },
  ],
  ["WeightVecLengthIsLow", "CHAIN_WEIGHTS_INVALID", (scene) => scene.land(setWeights()), { minAllowedWeights: 4 }],
  ["UidsLengthExceedUidsInSubNet", "CHAIN_WEIGHTS_INVALID", (scene) => scene.land(tooManyUids)],
  ["SubNetworkDoesNotExist", "CHAIN_SUBNET_UNKNOWN", (scene) => scene.land(setWeights({ netuid: 77 }))],
];

test.each(rows(NAMES_OF_143))("spec 143's %s arrives as %s", async (name, code, provoke, hyperparameters) => {
  const scene = await RefusalScene.start({ runtime: SPEC_143, hyperparameters });
  await expect(provoke(scene)).rejects.toMatchObject({ code, fields: { name } });
});

test.each(rows(NAMES_OF_218))("spec 218's %s arrives as %s", async (name, code, provoke, hyperparameters) => {
  const scene = await RefusalScene.start({ runtime: SPEC_218, hyperparameters });
  await expect(provoke(scene)).rejects.toMatchObject({ code, fields: { name } });
});

test.each([
  [143, EDITION_143, "Transaction call is not expected"],
  [218, EDITION_218, "Custom error: 3"],
] as const)("too little stake is known by the word of spec %i's pool", async (specVersion, edition, detail) => {
  const scene = await RefusalScene.start({
    runtime: { specVersion, edition },
    poolChecks: true,
    hyperparameters: { stakeThreshold: 1001n * TAO },
  });
  await expect(scene.land(setWeights())).rejects.toMatchObject({ code: "CHAIN_STAKE_TOO_LOW", fields: { detail } });
});

describe.each([
  ["spec 143", 143, EDITION_143, ""],
  ["spec 218", 218, EDITION_218, ""],
  // The account of 32 zeros, which the item gives where nobody was put.
  ["a runtime with extensions of tomorrow", 467, TOMORROWS_EDITION, "5C4hrfjw9DjXZTzV3MwzrrAr9P1MJhSrvWGWqi1eSuyUpnhM"],
] as const)("%s", (_name, specVersion, edition: RuntimeEdition, ownerHotkey) => {
  test("is read and written to as today's is", async () => {
    const hyperparameters = { stakeThreshold: 5n, weightsVersionKey: 7n };
    const scene = await RefusalScene.start({ runtime: { specVersion, edition }, hyperparameters });
    const client = await scene.client("validator");
    await scene.land(setWeights({ versionKey: 7n }));
    await scene.land(commitment(128));
    await scene.land(serveAxon());

    const snapshot = await client.snapshot(NETUID, client.head().hash);
    expect(snapshot.hyperparameters).toEqual({
      tempo: 5,
      weightsRateLimit: 100,
      weightsVersionKey: 7n,
      minAllowedWeights: 1,
      maxWeightsLimit: 65_535,
      commitRevealEnabled: false,
      stakeThresholdRao: 5n,
      ownerHotkey,
    });
    expect(snapshot.neurons.map(({ stakeRao }) => stakeRao)).toEqual([1000n * TAO, 1000n * TAO, 0n, 0n]);
    expect(snapshot.neurons[0]).toMatchObject({
      uid: 0,
      validatorPermit: true,
      axon: { ip: "203.0.113.7", port: 8091 },
    });
    expect(snapshot.commitments).toMatchObject([{ bytes: new Uint8Array(128).fill(7) }]);
    expect(await client.weights(NETUID, 0)).toEqual([
      [1, 16_384],
      [2, 32_768],
      [3, 65_535],
    ]);
    expect(await client.weightRules(NETUID, client.head().hash)).toMatchObject({
      way: "plain",
      secondsPerBlock: 1,
      epoch: { blocks: edition.epochs === "counted" ? 5 : 6 },
    });
  });
});

test("before epochs were counted, weights by hash follow the epochs that the block's number gives", async () => {
  const hyperparameters = { commitRevealWeightsEnabled: true, tempo: 9 };
  const scene = await RefusalScene.start({ runtime: SPEC_218, hyperparameters });
  const client = await scene.client("validator");
  const rules = await client.weightRules(NETUID, client.head().hash);
  expect(rules).toMatchObject({ way: "hashed", epoch: { index: 0, nextBlock: 7, blocks: 10 } });

  await scene.land(await commitHashed(1));
  await expect(scene.land(reveal(1))).rejects.toMatchObject({ fields: { name: "RevealTooEarly" } });
  await scene.buildTo(7);
  await scene.land(reveal(1));
  expect(await client.weights(NETUID, 0)).toHaveLength(3);
});

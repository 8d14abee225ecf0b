import { COMMITMENTS_ERRORS } from "@assay/localnet/chain/metadata/commitments-pallet";
import { TODAYS_EDITION } from "@assay/localnet/chain/metadata/runtime-edition";
import { SUBTENSOR_ERRORS } from "@assay/localnet/chain/metadata/subtensor-pallet";
import { afterEach, expect, test } from "vitest";
import {
  commitHashed,
  commitLocked,
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

/** Errors of the chain's pallets that a validator can meet, as runtimes of 2026 name them. */
const NAMES = [
  ..."HotKeyNotRegisteredInSubNet HotKeyNotRegisteredInNetwork NotEnoughStakeToSetWeights".split(" "),
  ..."NeuronNoValidatorPermit WeightVecNotEqualSize DuplicateUids UidVecContainInvalidOne".split(" "),
  ..."WeightVecLengthIsLow MaxWeightExceeded SettingWeightsTooFast IncorrectWeightVersionKey".split(" "),
  ..."UidsLengthExceedUidsInSubNet CanNotSetRootNetworkWeights MechanismDoesNotExist SubnetNotExists".split(" "),
  ..."CommitRevealEnabled CommitRevealDisabled CommittingWeightsTooFast TooManyUnrevealedCommits".split(" "),
  ..."NoWeightsCommitFound InvalidRevealCommitHashNotMatch ExpiredWeightCommit RevealTooEarly".split(" "),
  ..."IncorrectCommitRevealVersion InvalidRevealRound ServingRateLimitExceeded InvalidIpType".split(" "),
  ..."InvalidIpAddress InvalidPort TooManyFieldsInCommitmentInfo AccountNotAllowedCommit SpaceLimitExceeded".split(" "),
];

type Provoke = (scene: RefusalScene) => Promise<unknown>;

interface Row {
  readonly name: string;
  readonly code: string;
  readonly options?: SceneOptions;
  readonly provoke: Provoke;
}

const HIDDEN: SceneOptions = { hyperparameters: { commitRevealWeightsEnabled: true } };
const HIDDEN_OFTEN: SceneOptions = {
  hyperparameters: { commitRevealWeightsEnabled: true, weightsSetRateLimit: 0, tempo: 100 },
};
const AXON = { version: 1, ip: 0x08_08_08_08, port: 80, type: 5, protocol: 4 };

const ROWS: readonly Row[] = [
  {
    name: "HotKeyNotRegisteredInSubNet",
    code: "CHAIN_NOT_REGISTERED",
    provoke: (scene) => scene.land(setWeights(), "stranger"),
  },
  {
    name: "HotKeyNotRegisteredInNetwork",
    code: "CHAIN_NOT_REGISTERED",
    provoke: (scene) => scene.land(serveAxon(), "stranger"),
  },
  {
    name: "NotEnoughStakeToSetWeights",
    code: "CHAIN_STAKE_TOO_LOW",
    options: { hyperparameters: { stakeThreshold: 1001n * TAO } },
    provoke: (scene) => scene.land(setWeights()),
  },
  {
    name: "NeuronNoValidatorPermit",
    code: "CHAIN_NO_PERMIT",
    provoke: (scene) => scene.land(setWeights(), "staked"),
  },
  {
    name: "WeightVecNotEqualSize",
    code: "CHAIN_WEIGHTS_INVALID",
    provoke: (scene) => scene.land(setWeights({ weights: [1] })),
  },
  {
    name: "DuplicateUids",
    code: "CHAIN_WEIGHTS_INVALID",
    provoke: (scene) => scene.land(setWeights({ uids: [1, 1, 2] })),
  },
  {
    name: "UidVecContainInvalidOne",
    code: "CHAIN_WEIGHTS_INVALID",
    provoke: (scene) => scene.land(setWeights({ uids: [1, 2, 9] })),
  },
  {
    name: "WeightVecLengthIsLow",
    code: "CHAIN_WEIGHTS_INVALID",
    options: { hyperparameters: { minAllowedWeights: 4 } },
    provoke: (scene) => scene.land(setWeights()),
  },
  {
    name: "MaxWeightExceeded",
    code: "CHAIN_WEIGHTS_INVALID",
    options: { hyperparameters: { maxWeightsLimit: 32_767 } },
    provoke: (scene) => scene.land(setWeights()),
  },
  {
    name: "SettingWeightsTooFast",
    code: "CHAIN_RATE_LIMITED",
    provoke: async (scene) => {
      await scene.land(setWeights());
      await scene.land(setWeights());
    },
  },
  {
    name: "IncorrectWeightVersionKey",
    code: "CHAIN_VERSION_KEY",
    options: { hyperparameters: { weightsVersionKey: 9n } },
    provoke: (scene) => scene.land(setWeights({ versionKey: 8n })),
  },
  {
    name: "UidsLengthExceedUidsInSubNet",
    code: "CHAIN_WEIGHTS_INVALID",
    provoke: (scene) => scene.land(setWeights({ uids: [0, 1, 2, 3, 4], weights: [1, 1, 1, 1, 1] })),
  },
  {
    name: "CanNotSetRootNetworkWeights",
    code: "CHAIN_WEIGHTS_INVALID",
    provoke: (scene) => scene.land(setWeights({ netuid: 0 })),
  },
  {
    name: "MechanismDoesNotExist",
    code: "CHAIN_SUBNET_UNKNOWN",
    provoke: (scene) => scene.landRaw("subtensorModule", "setMechanismWeights", [NETUID, 1, [1], [1], 0]),
  },
  {
    name: "SubnetNotExists",
    code: "CHAIN_SUBNET_UNKNOWN",
    provoke: (scene) => scene.land(setWeights({ netuid: 77 })),
  },
  {
    name: "CommitRevealEnabled",
    code: "CHAIN_COMMIT_REVEAL_ENABLED",
    options: HIDDEN,
    provoke: (scene) => scene.land(setWeights()),
  },
  {
    name: "CommitRevealDisabled",
    code: "CHAIN_COMMIT_REVEAL_DISABLED",
    provoke: async (scene) => scene.land(await commitHashed(1)),
  },
  {
    name: "CommittingWeightsTooFast",
    code: "CHAIN_RATE_LIMITED",
    options: HIDDEN,
    provoke: async (scene) => {
      await scene.land(await commitHashed(1));
      await scene.land(await commitHashed(2));
    },
  },
  {
    name: "TooManyUnrevealedCommits",
    code: "CHAIN_RATE_LIMITED",
    options: HIDDEN_OFTEN,
    provoke: async (scene) => {
      for (let salt = 0; salt <= 10; salt += 1) await scene.land(await commitHashed(salt));
    },
  },
  {
    name: "NoWeightsCommitFound",
    code: "CHAIN_REVEAL_REFUSED",
    options: HIDDEN,
    provoke: (scene) => scene.land(reveal(1)),
  },
  {
    name: "InvalidRevealCommitHashNotMatch",
    code: "CHAIN_REVEAL_REFUSED",
    options: HIDDEN_OFTEN,
    provoke: async (scene) => {
      await scene.land(await commitHashed(1));
      await scene.land(reveal(2));
    },
  },
  {
    name: "ExpiredWeightCommit",
    code: "CHAIN_REVEAL_REFUSED",
    options: HIDDEN,
    provoke: async (scene) => {
      await scene.land(await commitHashed(1));
      await scene.build(10);
      await scene.land(reveal(1));
    },
  },
  {
    name: "RevealTooEarly",
    code: "CHAIN_REVEAL_REFUSED",
    options: HIDDEN_OFTEN,
    provoke: async (scene) => {
      await scene.land(await commitHashed(1));
      await scene.land(reveal(1));
    },
  },
  {
    name: "IncorrectCommitRevealVersion",
    code: "CHAIN_COMMIT_REFUSED",
    options: { hyperparameters: { commitRevealWeightsEnabled: true, commitRevealWeightsVersion: 5 } },
    provoke: (scene) => scene.land(commitLocked(1_000_000)),
  },
  {
    name: "InvalidRevealRound",
    code: "CHAIN_COMMIT_REFUSED",
    options: HIDDEN,
    provoke: (scene) => scene.land(commitLocked(0)),
  },
  {
    name: "ServingRateLimitExceeded",
    code: "CHAIN_RATE_LIMITED",
    provoke: async (scene) => {
      await scene.land(serveAxon());
      await scene.land(serveAxon());
    },
  },
  {
    name: "InvalidIpType",
    code: "CHAIN_AXON_INVALID",
    provoke: (scene) => {
      return scene.landRaw("subtensorModule", "serveAxon", [NETUID, ...Object.values(AXON), 0, 0]);
    },
  },
  {
    name: "InvalidIpAddress",
    code: "CHAIN_AXON_INVALID",
    provoke: (scene) => scene.land(serveAxon({ ip: "127.0.0.1" })),
  },
  {
    name: "InvalidPort",
    code: "CHAIN_AXON_INVALID",
    provoke: (scene) => scene.land(serveAxon({ port: 0 })),
  },
  {
    name: "TooManyFieldsInCommitmentInfo",
    code: "CHAIN_COMMITMENT_TOO_LARGE",
    provoke: (scene) => {
      const fields = [{ Raw1: "0x01" }, { Raw1: "0x02" }, { Raw1: "0x03" }, { Raw1: "0x04" }];
      return scene.landRaw("commitments", "setCommitment", [NETUID, { fields }]);
    },
  },
  {
    name: "AccountNotAllowedCommit",
    code: "CHAIN_NOT_REGISTERED",
    provoke: (scene) => scene.land(commitment(1), "stranger"),
  },
  {
    name: "SpaceLimitExceeded",
    code: "CHAIN_RATE_LIMITED",
    options: { hyperparameters: { maxSpace: 199, tempo: 100 } },
    provoke: async (scene) => {
      await scene.land(commitment(1));
      await scene.land(commitment(1));
    },
  },
];

afterEach(endAll);

test.each(ROWS)("$name arrives as $code", async ({ name, code, options, provoke }) => {
  const scene = await RefusalScene.start(options);
  const pallet = COMMITMENTS_ERRORS.some((error) => error === name) ? "Commitments" : "SubtensorModule";
  await expect(provoke(scene)).rejects.toMatchObject({ code, fields: { pallet, name } });
});

test("every error that a validator can meet is provoked, and the chain's own list is no other", () => {
  expect(ROWS.map(({ name }) => name)).toEqual(NAMES);
  const shown = [
    ...SUBTENSOR_ERRORS.map((name) => ["SubtensorModule", name]),
    ...COMMITMENTS_ERRORS.map((name) => ["Commitments", name]),
  ].flatMap(([pallet, name = ""]) => (TODAYS_EDITION.hidden.includes(`${pallet}.${name}`) ? [] : [name]));
  expect(shown.sort()).toEqual([...NAMES].sort());
});

test("a commitment of 129 bytes is refused before anything is signed", async () => {
  const scene = await RefusalScene.start();
  await expect(scene.land(commitment(129))).rejects.toMatchObject({
    code: "CHAIN_COMMITMENT_TOO_LARGE",
    fields: { bytes: 129 },
  });
});

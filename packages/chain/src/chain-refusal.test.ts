import { expect, test } from "vitest";
import { dispatchRefusal, poolRefusal } from "./chain-refusal.ts";

test.each([
  [
    "CHAIN_RATE_LIMITED",
    ["SettingWeightsTooFast", "CommitmentSetRateLimitExceeded", "RateLimitExceeded", "SpaceLimitExceeded"],
  ],
  ["CHAIN_NOT_REGISTERED", ["NotRegistered", "HotKeyNotRegisteredInSubNet", "CannotCommit", "AccountNotAllowedCommit"]],
  ["CHAIN_NO_PERMIT", ["NoValidatorPermit", "NeuronNoValidatorPermit"]],
  ["CHAIN_VERSION_KEY", ["IncorrectNetworkVersionKey", "IncorrectWeightVersionKey"]],
  ["CHAIN_SUBNET_UNKNOWN", ["NetworkDoesNotExist", "SubNetworkDoesNotExist", "SubnetNotExists"]],
  [
    "CHAIN_WEIGHTS_INVALID",
    ["InvalidUid", "UidVecContainInvalidOne", "NotSettingEnoughWeights", "WeightVecLengthIsLow", "TooManyUids"],
  ],
  ["CHAIN_COMMIT_REFUSED", ["IncorrectCommitRevealVersion", "InvalidRevealRound"]],
  [
    "CHAIN_REVEAL_REFUSED",
    ["NoWeightsCommitFound", "InvalidRevealCommitHashNotMatch", "ExpiredWeightCommit", "RevealTooEarly"],
  ],
  ["CHAIN_DISPATCH_FAILED", ["SomethingOfTomorrow"]],
])("%s is what every runtime's name for it becomes", (code, names) => {
  for (const name of names) {
    expect(dispatchRefusal("SubtensorModule", name)).toMatchObject({
      code,
      fields: { pallet: "SubtensorModule", name },
    });
  }
});

test.each([
  ["Custom error: 1", "CHAIN_STAKE_TOO_LOW"],
  ["Custom error: 6", "CHAIN_RATE_LIMITED"],
  ['{"invalid":{"custom":6}}', "CHAIN_RATE_LIMITED"],
  ["Custom error: 12", "CHAIN_RATE_LIMITED"],
  ["Custom error: 10", "CHAIN_NOT_REGISTERED"],
  ["Custom error: 15", "CHAIN_COMMIT_REFUSED"],
  ["Custom error: 17", "CHAIN_REVEAL_REFUSED"],
  ["Custom error: 19", "CHAIN_NOT_REGISTERED"],
  ["Custom error: 255", "CHAIN_POOL_REJECTED"],
  ["Custom error: 200", "CHAIN_POOL_REJECTED"],
  ["Transaction will be valid in the future", "CHAIN_NONCE_CONFLICT"],
  ['{"invalid":{"future":null}}', "CHAIN_NONCE_CONFLICT"],
  ["Transaction has an ancient birth block", "CHAIN_BAD_SIGNATURE"],
  ["Inability to pay some fees (e.g. account balance too low)", "CHAIN_FEE_UNPAYABLE"],
  ["Transaction would exhaust the block limits", "CHAIN_POOL_FULL"],
  ["Transaction is outdated", "CHAIN_NONCE_CONFLICT"],
  ['{"invalid":{"stale":null}}', "CHAIN_NONCE_CONFLICT"],
  ["Transaction has a bad signature", "CHAIN_BAD_SIGNATURE"],
  ['{"invalid":{"badProof":null}}', "CHAIN_BAD_SIGNATURE"],
  ['{"invalid":{"call":null}}', "CHAIN_POOL_REJECTED"],
])("the pool's %s is %s", (detail, code) => {
  expect(poolRefusal(1010, detail)).toMatchObject({ code, fields: { rpcCode: 1010, detail } });
});

test.each([["Custom error: 3"], ['{"invalid":{"custom":1}}'], ['{"invalid":{"call":null}}']])(
  "before the pool numbered its reasons, %s meant too little stake",
  (detail) => {
    expect(poolRefusal(1010, detail, "by_call")).toMatchObject({
      code: "CHAIN_STAKE_TOO_LOW",
      fields: { name: "NotEnoughStakeToSetWeights" },
    });
  },
);

test.each([
  [1012, "Transaction is temporarily banned", "CHAIN_EXTRINSIC_BANNED", true],
  [1014, "Priority is too low: (0 vs 0)", "CHAIN_NONCE_CONFLICT", true],
  [1016, "Immediately Dropped", "CHAIN_POOL_FULL", true],
  [1011, "Unknown Transaction Validity", "CHAIN_POOL_REJECTED", false],
])("the pool's code %i, %s, is %s", (rpcCode, detail, code, retryable) => {
  expect(poolRefusal(rpcCode, detail)).toMatchObject({ code, retryable });
});

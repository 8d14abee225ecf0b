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
  ["Custom error: 255", "CHAIN_POOL_REJECTED"],
  ["Transaction is outdated", "CHAIN_NONCE_CONFLICT"],
  ['{"invalid":{"stale":null}}', "CHAIN_NONCE_CONFLICT"],
  ["Transaction has a bad signature", "CHAIN_BAD_SIGNATURE"],
  ['{"invalid":{"badProof":null}}', "CHAIN_BAD_SIGNATURE"],
  ['{"invalid":{"call":null}}', "CHAIN_POOL_REJECTED"],
])("the pool's %s is %s", (detail, code) => {
  expect(poolRefusal(1010, detail)).toMatchObject({ code, fields: { rpcCode: 1010, detail } });
});

test("a nonce that another extrinsic holds in the pool is a conflict", () => {
  expect(poolRefusal(1014, "Priority is too low: (0 vs 0)").code).toBe("CHAIN_NONCE_CONFLICT");
});

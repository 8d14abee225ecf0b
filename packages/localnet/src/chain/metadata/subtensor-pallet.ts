import type { Pallet } from "./pallet.ts";
import type { SharedTypes } from "./shared-types.ts";
import { subtensorStorage } from "./subtensor-storage.ts";
import type { TypeTable, VariantCase } from "./type-table.ts";

export const SUBTENSOR_ERRORS = [
  "SubnetNotExists",
  "HotKeyNotRegisteredInSubNet",
  "HotKeyNotRegisteredInNetwork",
  "NotEnoughStakeToSetWeights",
  "NeuronNoValidatorPermit",
  "WeightVecNotEqualSize",
  "DuplicateUids",
  "UidVecContainInvalidOne",
  "WeightVecLengthIsLow",
  "MaxWeightExceeded",
  "SettingWeightsTooFast",
  "IncorrectWeightVersionKey",
  "UidsLengthExceedUidsInSubNet",
  "CanNotSetRootNetworkWeights",
  "CommitRevealEnabled",
  "CommitRevealDisabled",
  "CommittingWeightsTooFast",
  "TooManyUnrevealedCommits",
  "NoWeightsCommitFound",
  "InvalidRevealCommitHashNotMatch",
  "ExpiredWeightCommit",
  "RevealTooEarly",
  "IncorrectCommitRevealVersion",
  "InvalidRevealRound",
  "InvalidIpType",
  "InvalidIpAddress",
  "InvalidPort",
  "ServingRateLimitExceeded",
  "MechanismDoesNotExist",
] as const;

export function subtensorPallet(types: TypeTable, shared: SharedTypes): Pallet {
  return {
    name: "SubtensorModule",
    index: 7,
    crate: "pallet_subtensor",
    calls: subtensorCalls(types),
    events: subtensorEvents(types),
    errors: SUBTENSOR_ERRORS,
    constants: [],
    storage: () => subtensorStorage(types, shared),
  };
}

function subtensorCalls(types: TypeTable): readonly VariantCase[] {
  const { u8, u16, u32, u64, u128, h256, bytes } = types;
  const list = types.vec(u16);
  const axon = { version: u32, ip: u128, port: u16, ip_type: u8, protocol: u8, placeholder1: u8, placeholder2: u8 };
  return [
    { name: "set_weights", index: 0, fields: { netuid: u16, dests: list, weights: list, version_key: u64 } },
    { name: "serve_axon", index: 4, fields: { netuid: u16, ...axon } },
    { name: "commit_weights", index: 96, fields: { netuid: u16, commit_hash: h256 } },
    {
      name: "reveal_weights",
      index: 97,
      fields: { netuid: u16, uids: list, values: list, salt: list, version_key: u64 },
    },
    {
      name: "set_mechanism_weights",
      index: 119,
      fields: { netuid: u16, mecid: u8, dests: list, weights: list, version_key: u64 },
    },
    {
      name: "commit_timelocked_weights",
      index: 113,
      fields: { netuid: u16, commit: bytes, reveal_round: u64, commit_reveal_version: u16 },
    },
  ];
}

function subtensorEvents(types: TypeTable): readonly VariantCase[] {
  const { u16, u64, accountId, h256 } = types;
  return [
    { name: "WeightsSet", fields: { 0: u16, 1: u16 } },
    { name: "AxonServed", fields: { 0: u16, 1: accountId } },
    { name: "WeightsCommitted", fields: { 0: accountId, 1: u16, 2: h256 } },
    { name: "WeightsRevealed", fields: { 0: accountId, 1: u16, 2: h256 } },
    { name: "TimelockedWeightsCommitted", fields: { 0: accountId, 1: u16, 2: h256, 3: u64 } },
    { name: "TimelockedWeightsRevealed", fields: { 0: u16, 1: accountId } },
  ];
}

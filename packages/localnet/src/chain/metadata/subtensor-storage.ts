import { littleEndian, map, plain, type StorageItem, ZERO_BYTE } from "./pallet.ts";
import type { SharedTypes } from "./shared-types.ts";
import type { TypeId, TypeTable } from "./type-table.ts";

/** Defaults where the chain's differ from zero; the genesis of a development chain writes its own over them. */
export function subtensorStorage(types: TypeTable, shared: SharedTypes): readonly StorageItem[] {
  return [...networkItems(types), ...neuronItems(types), ...weightItems(types, shared)];
}

function networkItems(types: TypeTable): readonly StorageItem[] {
  const { u16, u64, bool, accountId } = types;
  const ofSubnet = (name: string, value: TypeId, fallback: Uint8Array) =>
    map(name, [["Identity", u16]], value, fallback);
  const short = (name: string, value: number) => ofSubnet(name, u16, littleEndian(value, 2));
  const long = (name: string, value: number) => ofSubnet(name, u64, littleEndian(value, 8));
  return [
    ofSubnet("NetworksAdded", bool, ZERO_BYTE),
    short("SubnetworkN", 0),
    short("Tempo", 360),
    long("WeightsSetRateLimit", 100),
    long("WeightsVersionKey", 0),
    short("MinAllowedWeights", 1),
    short("MaxWeightsLimit", 65_535),
    short("MaxAllowedUids", 256),
    short("MaxAllowedValidators", 128),
    short("ImmunityPeriod", 4096),
    short("ActivityCutoff", 5000),
    long("ServingRateLimit", 50),
    ofSubnet("CommitRevealWeightsEnabled", bool, ZERO_BYTE),
    long("RevealPeriodEpochs", 1),
    long("LastEpochBlock", 0),
    long("PendingEpochAt", 0),
    long("SubnetEpochIndex", 0),
    long("BlocksSinceLastStep", 0),
    ofSubnet("SubnetOwnerHotkey", accountId, new Uint8Array(32)),
    plain("StakeThreshold", u64, littleEndian(0, 8)),
    plain("TaoWeight", u64, littleEndian(0, 8)),
    plain("CommitRevealWeightsVersion", u16, littleEndian(4, 2)),
    // Least stake that may set weights, before subnets had tokens of their own.
    plain("WeightsMinStake", u64, littleEndian(0, 8)),
    ofSubnet("MechanismCountCurrent", types.u8, littleEndian(1, 1)),
  ];
}

function neuronItems(types: TypeTable): readonly StorageItem[] {
  const { u16, u64, bool, accountId } = types;
  const perUid = (name: string, value: TypeId) => map(name, [["Identity", u16]], types.vec(value), ZERO_BYTE);
  const shares = ["Rank", "Trust", "Consensus", "Incentive", "Dividends", "ValidatorTrust"];
  const byHotkey = ["Blake2_128Concat", accountId] as const;
  return [
    map(
      "Keys",
      [
        ["Identity", u16],
        ["Identity", u16],
      ],
      accountId,
      new Uint8Array(32),
    ),
    map("Uids", [["Identity", u16], byHotkey], u16),
    map("Owner", [byHotkey], accountId, new Uint8Array(32)),
    map("IsNetworkMember", [byHotkey, ["Identity", u16]], bool, ZERO_BYTE),
    map("TotalHotkeyStake", [byHotkey], u64, littleEndian(0, 8)),
    map("TotalHotkeyAlpha", [byHotkey, ["Identity", u16]], u64, littleEndian(0, 8)),
    map(
      "BlockAtRegistration",
      [
        ["Identity", u16],
        ["Identity", u16],
      ],
      u64,
      littleEndian(0, 8),
    ),
    ...shares.map((name) => perUid(name, u16)),
    perUid("Emission", u64),
    perUid("LastUpdate", u64),
    perUid("Active", bool),
    perUid("ValidatorPermit", bool),
  ];
}

function weightItems(types: TypeTable, shared: SharedTypes): readonly StorageItem[] {
  const { u16, u64, accountId, h256, bytes } = types;
  const commit = types.tuple(h256, u64, u64, u64);
  const timelocked = types.tuple(accountId, u64, bytes, u64);
  return [
    map(
      "Weights",
      [
        ["Identity", u16],
        ["Identity", u16],
      ],
      types.vec(types.tuple(u16, u16)),
      ZERO_BYTE,
    ),
    map(
      "Axons",
      [
        ["Identity", u16],
        ["Blake2_128Concat", accountId],
      ],
      shared.axon,
    ),
    map(
      "WeightCommits",
      [
        ["Twox64Concat", u16],
        ["Twox64Concat", accountId],
      ],
      types.vec(commit),
    ),
    map(
      "TimelockedWeightCommits",
      [
        ["Twox64Concat", u16],
        ["Twox64Concat", u64],
      ],
      types.vec(timelocked),
      ZERO_BYTE,
    ),
  ];
}

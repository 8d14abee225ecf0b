import { littleEndian, map, type Pallet, plain, type StorageHasher } from "./pallet.ts";
import type { TypeId, TypeTable, VariantCase } from "./type-table.ts";

/** Fields that one commitment may have. */
export const MAX_COMMITMENT_FIELDS = 3;
/** Bytes that one account may commit per epoch on a real chain. */
export const DEFAULT_MAX_SPACE = 3100;

const RAW_LIMIT = 128;
const FIRST_HASH_INDEX = RAW_LIMIT + 2;

export const COMMITMENTS_ERRORS = [
  "TooManyFieldsInCommitmentInfo",
  "AccountNotAllowedCommit",
  "SpaceLimitExceeded",
  // Of runtimes before spec 248, which limited how often instead of how much.
  "CommitmentSetRateLimitExceeded",
] as const;

export function commitmentsPallet(types: TypeTable): Pallet {
  const { u16, u32, u64, accountId } = types;
  const info = types.struct("pallet_commitments::types::CommitmentInfo", { fields: types.vec(addCommitted(types)) });
  const registration = types.struct("pallet_commitments::types::Registration", { deposit: u64, block: u32, info });
  const usage = types.struct("pallet_commitments::types::UsageTracker", { last_epoch: u64, used_space: u64 });
  const ofAccount: readonly (readonly [StorageHasher, TypeId])[] = [
    ["Identity", u16],
    ["Twox64Concat", accountId],
  ];
  return {
    name: "Commitments",
    index: 18,
    crate: "pallet_commitments",
    calls: [{ name: "set_commitment", fields: { netuid: u16, info } }],
    events: [{ name: "Commitment", fields: { netuid: u16, who: accountId } }],
    errors: COMMITMENTS_ERRORS,
    constants: [{ name: "MaxFields", type: u32, value: littleEndian(MAX_COMMITMENT_FIELDS, 4) }],
    storage: () => [
      map("CommitmentOf", ofAccount, registration),
      map("LastCommitment", ofAccount, u32),
      map("UsedSpaceOf", ofAccount, usage),
      plain("MaxSpace", u32, littleEndian(DEFAULT_MAX_SPACE, 4)),
    ],
  };
}

/** The type of one committed field: nothing, raw bytes of each length as a case of its own, hashes, and later additions. */
function addCommitted(types: TypeTable): TypeId {
  const raws = Array.from({ length: RAW_LIMIT + 1 }, (_, length): VariantCase => {
    return { name: `Raw${length}`, index: length + 1, fields: { 0: types.array(length, types.u8) } };
  });
  const hashes = ["BlakeTwo256", "Sha256", "Keccak256", "ShaThree256"].map((name, position): VariantCase => {
    return { name, index: FIRST_HASH_INDEX + position, fields: { 0: types.array(32, types.u8) } };
  });
  return types.variant("pallet_commitments::types::Data", [
    { name: "None", index: 0 },
    ...raws,
    ...hashes,
    { name: "TimelockEncrypted", index: 134, fields: { encrypted: types.bytes, reveal_round: types.u64 } },
    { name: "ResetBondsFlag", index: 135 },
    { name: "BigRaw", index: 136, fields: { 0: types.bytes } },
  ]);
}

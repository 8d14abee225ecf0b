import { littleEndian, map, type Pallet, plain, ZERO_BYTE } from "./pallet.ts";
import type { SharedTypes } from "./shared-types.ts";
import type { TypeTable } from "./type-table.ts";

/** Blocks whose hash the chain still knows, which bounds how long a signed extrinsic may stay mortal. */
export const BLOCK_HASH_COUNT = 2400;
/** Prefix of every address on the chain. */
export const SS58_PREFIX = 42;

const ACCOUNT_BYTES = 16 + 24 + 16;

/** @param runtimeVersion SCALE bytes of the runtime's version. */
export function systemPallet(types: TypeTable, shared: SharedTypes, runtimeVersion: Uint8Array): Pallet {
  const { u16, u32, u64, u128, accountId, h256 } = types;
  const { dispatchInfo: dispatch_info, dispatchError: dispatch_error } = shared;
  const balance = types.struct("pallet_balances::types::AccountData", {
    free: u64,
    reserved: u64,
    frozen: u64,
    flags: u128,
  });
  const account = types.struct("frame_system::AccountInfo", {
    nonce: u32,
    consumers: u32,
    providers: u32,
    sufficients: u32,
    data: balance,
  });
  return {
    name: "System",
    index: 0,
    crate: "frame_system",
    calls: [{ name: "remark", fields: { remark: types.bytes } }],
    events: [
      { name: "ExtrinsicSuccess", fields: { dispatch_info } },
      { name: "ExtrinsicFailed", fields: { dispatch_error, dispatch_info } },
    ],
    errors: ["CallFiltered"],
    constants: [
      { name: "BlockHashCount", type: u32, value: littleEndian(BLOCK_HASH_COUNT, 4) },
      { name: "SS58Prefix", type: u16, value: littleEndian(SS58_PREFIX, 2) },
      { name: "Version", type: shared.runtimeVersion, value: runtimeVersion },
    ],
    storage: (eventRecord) => [
      map("Account", [["Blake2_128Concat", accountId]], account, new Uint8Array(ACCOUNT_BYTES)),
      plain("Number", u32, littleEndian(0, 4)),
      map("BlockHash", [["Twox64Concat", u32]], h256, new Uint8Array(32)),
      plain("ParentHash", h256, new Uint8Array(32)),
      plain("Events", types.vec(eventRecord), ZERO_BYTE),
      plain("EventCount", u32, littleEndian(0, 4)),
    ],
  };
}

import { littleEndian, map, type Pallet, plain } from "./pallet.ts";
import type { TypeTable } from "./type-table.ts";

/** The beacon that time-locked weights wait for: its key, and the rounds the chain has seen signed. */
export function drandPallet(types: TypeTable): Pallet {
  const { u32, u64, bytes } = types;
  const metadata = types.struct("pallet_drand::types::Metadata", { beacon_id: bytes });
  const configuration = types.struct("pallet_drand::types::BeaconConfiguration", {
    public_key: bytes,
    period: u32,
    genesis_time: u32,
    hash: bytes,
    group_hash: bytes,
    scheme_id: bytes,
    metadata,
  });
  const pulse = types.struct("pallet_drand::types::Pulse", { round: u64, randomness: bytes, signature: bytes });
  return {
    name: "Drand",
    index: 26,
    crate: "pallet_drand",
    calls: [],
    events: [],
    errors: [],
    constants: [],
    storage: () => [
      plain("BeaconConfig", configuration),
      map("Pulses", [["Blake2_128Concat", u64]], pulse),
      plain("LastStoredRound", u64, littleEndian(0, 8)),
    ],
  };
}

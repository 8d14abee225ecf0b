import type { Hotkey, Netuid } from "@assay/core/units";
import type { PalletReader } from "../state/pallet-storage.ts";

const MAX_U64 = (1n << 64n) - 1n;
export const ROOT_NETUID = 0;

/** Stake on the subnet plus the weighted stake on the root, in rao; stake of children is not simulated. */
export function stakeWeight(subtensor: PalletReader, netuid: Netuid, hotkey: Hotkey): bigint {
  const alpha = subtensor.bigint("TotalHotkeyAlpha", hotkey, netuid);
  const tao = subtensor.bigint("TotalHotkeyAlpha", hotkey, ROOT_NETUID);
  return alpha + (tao * subtensor.bigint("TaoWeight")) / MAX_U64;
}

import type { BlockNumber, Netuid } from "@assay/core/units";
import type { PalletStorage } from "../state/pallet-storage.ts";

/**
 * Counts the subnet's blocks and starts a new epoch `Tempo` blocks after the last one.
 *
 * Nothing is computed at an epoch: consensus, incentives and permits stay what the genesis wrote.
 */
export function advanceEpoch(subtensor: PalletStorage, netuid: Netuid, block: BlockNumber): void {
  const next = subtensor.number("LastEpochBlock", netuid) + subtensor.number("Tempo", netuid);
  if (block < next) {
    subtensor.put("BlocksSinceLastStep", [netuid], subtensor.number("BlocksSinceLastStep", netuid) + 1);
    return;
  }
  subtensor.put("SubnetEpochIndex", [netuid], subtensor.number("SubnetEpochIndex", netuid) + 1);
  subtensor.put("LastEpochBlock", [netuid], block);
  subtensor.put("BlocksSinceLastStep", [netuid], 0);
}

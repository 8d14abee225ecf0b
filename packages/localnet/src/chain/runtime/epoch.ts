import type { BlockNumber, Netuid } from "@assay/core/units";
import type { RuntimeEdition } from "../metadata/runtime-edition.ts";
import type { PalletStorage } from "../state/pallet-storage.ts";
import { stakeWeight } from "./stake.ts";

interface EpochTerms extends Pick<RuntimeEdition, "epochs"> {
  readonly netuid: Netuid;
  readonly block: BlockNumber;
  /** Whether the epoch gives permits to those with the most stake, or leaves them as they are. */
  readonly permitsByStake: boolean;
}

/**
 * Counts the subnet's blocks and starts a new epoch when it is due, as since spec 407: `Tempo` blocks after the last one,
 * or at `PendingEpochAt` where that is earlier. In old editions the block's number alone says when.
 *
 * Consensus and incentives are not computed.
 */
export function advanceEpoch(subtensor: PalletStorage, terms: EpochTerms): void {
  const { netuid, block, permitsByStake } = terms;
  if (!isEpochDue(subtensor, terms)) {
    subtensor.put("BlocksSinceLastStep", [netuid], subtensor.number("BlocksSinceLastStep", netuid) + 1);
    return;
  }
  subtensor.put("SubnetEpochIndex", [netuid], subtensor.number("SubnetEpochIndex", netuid) + 1);
  subtensor.put("LastEpochBlock", [netuid], block);
  subtensor.put("BlocksSinceLastStep", [netuid], 0);
  if (subtensor.number("PendingEpochAt", netuid) > 0) subtensor.remove("PendingEpochAt", [netuid]);
  if (permitsByStake) givePermits(subtensor, netuid);
}

function isEpochDue(subtensor: PalletStorage, { netuid, block, epochs }: EpochTerms): boolean {
  if (epochs === "counted") return block >= nextEpochBlock(subtensor, netuid);
  return (block + netuid + 1) % (subtensor.number("Tempo", netuid) + 1) === 0;
}

function nextEpochBlock(subtensor: PalletStorage, netuid: Netuid): BlockNumber {
  const regular = subtensor.number("LastEpochBlock", netuid) + subtensor.number("Tempo", netuid);
  const pending = subtensor.number("PendingEpochAt", netuid);
  return pending > 0 ? Math.min(regular, pending) : regular;
}

/** Permits for the `MaxAllowedValidators` neurons of most stake, the lower uid first where it is equal; none without stake. */
function givePermits(subtensor: PalletStorage, netuid: Netuid): void {
  const size = subtensor.number("SubnetworkN", netuid);
  const permitted = Array.from({ length: size }, (_, uid) => {
    return { uid, stake: stakeWeight(subtensor, netuid, subtensor.address("Keys", netuid, uid)) };
  })
    .filter(({ stake }) => stake > 0n)
    .sort((left, right) => (left.stake === right.stake ? left.uid - right.uid : left.stake < right.stake ? 1 : -1))
    .slice(0, subtensor.number("MaxAllowedValidators", netuid))
    .map(({ uid }) => uid);
  const places = new Set(permitted);
  const permits = Array.from({ length: size }, (_, uid) => places.has(uid));
  subtensor.put("ValidatorPermit", [netuid], permits);
}

import type { Neuron } from "@assay/core/round/snapshot";
import type { Netuid } from "@assay/core/units";
import type { Codec } from "@polkadot/types/types";
import { axonOf } from "./axon.ts";
import { bigintOf, field, listOf, numberOf, type StorageAt, unwrapped } from "./storage.ts";
import { type SubnetState, subnetUnknown } from "./subnet-state.ts";

/**
 * A subnet in one request, from `SubnetInfoRuntimeApi.get_metagraph`; null where the runtime has no such call (typed
 * since spec 233). Stake is the chain's own total: with what parents lend the hotkey, and TAO on the root by its weight.
 */
export async function readMetagraph(storage: StorageAt, netuid: Netuid): Promise<SubnetState | null> {
  const call = storage.runtimeCall("subnetInfoRuntimeApi", "getMetagraph");
  if (call === null) return null;
  const metagraph = unwrapped(await call(netuid));
  if (metagraph === null) throw subnetUnknown(netuid, storage.hash);
  return {
    neurons: neuronsOf(metagraph),
    rules: {
      tempo: numberOf(field(metagraph, "tempo")),
      weightsRateLimit: numberOf(field(metagraph, "weightsRateLimit")),
      weightsVersionKey: bigintOf(field(metagraph, "weightsVersion")),
      minAllowedWeights: numberOf(field(metagraph, "minAllowedWeights")),
      maxWeightsLimit: numberOf(field(metagraph, "maxWeightsLimit")),
      commitRevealEnabled: !field(metagraph, "commitRevealWeightsEnabled").isEmpty,
      ownerHotkey: field(metagraph, "ownerHotkey").toString(),
    },
  };
}

function neuronsOf(metagraph: Codec): readonly Neuron[] {
  const column = (name: string) => listOf(field(metagraph, name));
  const [coldkeys, stakes, permits, updates, axons] = [
    column("coldkeys"),
    column("totalStake"),
    column("validatorPermit"),
    column("lastUpdate"),
    column("axons"),
  ];
  return column("hotkeys").map((hotkey, uid) => ({
    uid,
    hotkey: hotkey.toString(),
    coldkey: coldkeys[uid]?.toString() ?? "",
    stakeRao: inColumn(stakes, uid, bigintOf, 0n),
    validatorPermit: permits[uid]?.isEmpty === false,
    lastUpdate: inColumn(updates, uid, numberOf, 0),
    axon: inColumn(axons, uid, axonOf, null),
  }));
}

function inColumn<T>(column: readonly Codec[], uid: number, read: (value: Codec) => T, otherwise: T): T {
  const value = column[uid];
  return value === undefined ? otherwise : read(value);
}

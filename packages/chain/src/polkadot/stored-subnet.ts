import type { Neuron } from "@assay/core/round/snapshot";
import type { Netuid } from "@assay/core/units";
import type { Codec } from "@polkadot/types/types";
import { axonOf } from "./axon.ts";
import { argument, bigintOf, listOf, numberOf, type StorageAt, valueOr } from "./storage.ts";
import { type SubnetState, subnetUnknown } from "./subnet-state.ts";

const PALLET = "subtensorModule";
/** `MaxWeightsLimit` of a runtime that has no such rule. */
const NO_WEIGHT_LIMIT = 65_535;

/**
 * A subnet from the storage of its pallet, item by item, for runtimes that do not give a metagraph.
 *
 * Stake is here what was staked to the hotkey itself: neither what parents lend it nor TAO on the root. Before subnets had
 * tokens of their own (spec 233) it was TAO, and counted on all subnets.
 */
export async function readStoredSubnet(storage: StorageAt, netuid: Netuid): Promise<SubnetState> {
  const added = await storage.item(PALLET, "networksAdded")(netuid);
  if (added.isEmpty) throw subnetUnknown(netuid, storage.hash);
  const [neurons, rules] = await Promise.all([readNeurons(storage, netuid), readRules(storage, netuid)]);
  return { neurons, rules };
}

async function readNeurons(storage: StorageAt, netuid: Netuid): Promise<readonly Neuron[]> {
  const keys = await storage.item(PALLET, "keys").entries(netuid);
  const slots = keys
    .map(([key, hotkey]) => ({ uid: numberOf(argument(key.args, 1)), hotkey: hotkey.toString() }))
    .sort((a, b) => a.uid - b.uid);
  const hotkeys = slots.map(({ hotkey }) => hotkey);
  const [permits, updates, owners, stakes, axons] = await Promise.all([
    storage.item(PALLET, "validatorPermit")(netuid).then(listOf),
    storage.item(PALLET, "lastUpdate")(netuid).then(listOf),
    readMany(storage, "owner", hotkeys),
    readStakes(storage, netuid, hotkeys),
    readMany(
      storage,
      "axons",
      hotkeys.map((hotkey) => [netuid, hotkey]),
    ),
  ]);
  return slots.map(({ uid, hotkey }, index) => ({
    uid,
    hotkey,
    coldkey: owners[index]?.toString() ?? "",
    stakeRao: valueOr(stakes[index], bigintOf, 0n),
    validatorPermit: permits[uid]?.isEmpty === false,
    lastUpdate: valueOr(updates[uid], numberOf, 0),
    axon: valueOr(axons[index], axonOf, null),
  }));
}

async function readStakes(storage: StorageAt, netuid: Netuid, hotkeys: readonly string[]): Promise<readonly Codec[]> {
  if (storage.optionalItem(PALLET, "totalHotkeyAlpha") === null) {
    return await readMany(storage, "totalHotkeyStake", hotkeys);
  }
  const keys = hotkeys.map((hotkey) => [hotkey, netuid]);
  return await readMany(storage, "totalHotkeyAlpha", keys);
}

/** One request for many keys of one map. */
async function readMany(storage: StorageAt, name: string, keys: readonly unknown[]): Promise<readonly Codec[]> {
  return keys.length === 0 ? [] : await storage.item(PALLET, name).multi([...keys]);
}

async function readRules(storage: StorageAt, netuid: Netuid): Promise<SubnetState["rules"]> {
  const rule = (name: string) => storage.item(PALLET, name)(netuid);
  const [tempo, rateLimit, versionKey, minimum, commitReveal, limit, owner] = await Promise.all([
    rule("tempo"),
    rule("weightsSetRateLimit"),
    rule("weightsVersionKey"),
    rule("minAllowedWeights"),
    storage.optionalItem(PALLET, "commitRevealWeightsEnabled")?.(netuid),
    storage.optionalItem(PALLET, "maxWeightsLimit")?.(netuid),
    storage.optionalItem(PALLET, "subnetOwnerHotkey")?.(netuid),
  ]);
  return {
    tempo: numberOf(tempo),
    weightsRateLimit: numberOf(rateLimit),
    weightsVersionKey: bigintOf(versionKey),
    minAllowedWeights: numberOf(minimum),
    maxWeightsLimit: valueOr(limit, numberOf, NO_WEIGHT_LIMIT),
    commitRevealEnabled: commitReveal?.isEmpty === false,
    ownerHotkey: owner?.toString() ?? "",
  };
}

import { blake2AsHex } from "@assay/chain/polkadot/library";
import type { BlockNumber, Hotkey, Netuid, Uid } from "@assay/core/units";
import type { PalletReader, PalletStorage } from "../state/pallet-storage.ts";
import type { GenesisNeuron, NewNeuron } from "../subnet-terms.ts";
import { palletOf, type RootAction, type RootScope } from "./root-action.ts";

const STARTING_BALANCE_RAO = 10n ** 15n;
/** Columns that a new neuron begins with zeros in; LastUpdate begins with its block, Active with true. */
export const SHARE_COLUMNS: readonly string[] = [
  "Rank",
  "Trust",
  "Consensus",
  "Incentive",
  "Dividends",
  "ValidatorTrust",
  "Emission",
];

/** Registers a hotkey, in the way of `append_neuron` and `replace_neuron` of subtensor's `subnets/uids.rs`. */
export function register(neuron: NewNeuron): RootAction {
  return (scope) => {
    const subtensor = palletOf(scope, "SubtensorModule");
    const { netuid } = scope;
    if (subtensor.numberOrNull("Uids", netuid, neuron.hotkey) !== null) {
      throw new RangeError(`${neuron.hotkey} is registered already`);
    }
    const size = subtensor.number("SubnetworkN", netuid);
    const isFull = size >= subtensor.number("MaxAllowedUids", netuid);
    const uid = neuron.uid ?? (isFull ? pruned(subtensor, netuid) : size);
    if (uid > size) throw new RangeError(`uid ${uid} would leave free slots behind`);
    if (uid < size) vacate(scope, uid);
    else subtensor.put("SubnetworkN", [netuid], size + 1);
    occupy(scope, uid, neuron);
  };
}

/** Gives a hotkey's slot to an account that nobody has the key of: slots are never empty on the chain. */
export function deregister(hotkey: Hotkey): RootAction {
  return (scope) => {
    const uid = palletOf(scope, "SubtensorModule").numberOrNull("Uids", scope.netuid, hotkey);
    if (uid === null) throw new RangeError(`${hotkey} is not registered`);
    vacate(scope, uid);
    occupy(scope, uid, { hotkey: nobody(uid, scope.block) });
  };
}

/** Writes a neuron's own items; its columns stand already. */
export function writeNeuron(
  scope: RootScope,
  uid: Uid,
  { hotkey, coldkey = hotkey, stakeRao = 0n }: GenesisNeuron,
): void {
  const { netuid, block } = scope;
  const subtensor = palletOf(scope, "SubtensorModule");
  subtensor.put("Keys", [netuid, uid], hotkey);
  subtensor.put("Uids", [netuid, hotkey], uid);
  subtensor.put("Owner", [hotkey], coldkey);
  subtensor.put("IsNetworkMember", [hotkey, netuid], true);
  subtensor.put("BlockAtRegistration", [netuid, uid], block);
  if (stakeRao > 0n) {
    subtensor.put("TotalHotkeyAlpha", [hotkey, netuid], stakeRao);
    subtensor.put("TotalHotkeyStake", [hotkey], stakeRao);
  }
  for (const address of new Set([hotkey, coldkey])) fund(palletOf(scope, "System"), address);
}

function occupy(scope: RootScope, uid: Uid, neuron: GenesisNeuron): void {
  const { netuid, block } = scope;
  const subtensor = palletOf(scope, "SubtensorModule");
  const { permit = false } = neuron;
  for (const item of SHARE_COLUMNS) {
    subtensor.put(item, [netuid], withPlace(subtensor.numbers(item, netuid), uid, 0));
  }
  subtensor.put("LastUpdate", [netuid], withPlace(subtensor.numbers("LastUpdate", netuid), uid, block));
  subtensor.put("Active", [netuid], withPlace(subtensor.flags("Active", netuid), uid, true));
  subtensor.put("ValidatorPermit", [netuid], withPlace(subtensor.flags("ValidatorPermit", netuid), uid, permit));
  writeNeuron(scope, uid, neuron);
}

/** What a replaced hotkey loses: its slot, axon and commitment, its weights and others' weights for it. */
function vacate(scope: RootScope, uid: Uid): void {
  const { netuid } = scope;
  const subtensor = palletOf(scope, "SubtensorModule");
  const hotkey = subtensor.address("Keys", netuid, uid);
  subtensor.remove("Uids", [netuid, hotkey]);
  subtensor.remove("IsNetworkMember", [hotkey, netuid]);
  subtensor.remove("Axons", [netuid, hotkey]);
  const commitments = palletOf(scope, "Commitments");
  for (const item of ["CommitmentOf", "LastCommitment", "UsedSpaceOf"]) commitments.remove(item, [netuid, hotkey]);
  subtensor.remove("Weights", [netuid, uid]);
  for (let other = 0; other < subtensor.number("SubnetworkN", netuid); other += 1) {
    const weights = (subtensor.read("Weights", netuid, other)?.toJSON() ?? []) as unknown as [Uid, number][];
    if (weights.every(([target, weight]) => target !== uid || weight === 0)) continue;
    const cleared = weights.map(([target, weight]) => [target, target === uid ? 0 : weight]);
    subtensor.put("Weights", [netuid, other], cleared);
  }
}

/** The neuron of least emission, of equal ones that was registered first; never the subnet owner's. */
function pruned(subtensor: PalletReader, netuid: Netuid): Uid {
  const owner = subtensor.address("SubnetOwnerHotkey", netuid);
  const ranked = subtensor
    .numbers("Emission", netuid)
    .map((emission, uid) => [emission, subtensor.number("BlockAtRegistration", netuid, uid), uid] as const)
    .filter(([, , uid]) => subtensor.address("Keys", netuid, uid) !== owner)
    .sort((left, right) => left[0] - right[0] || left[1] - right[1] || left[2] - right[2]);
  const uid = ranked[0]?.[2];
  if (uid === undefined) throw new RangeError("the subnet has no slot to prune");
  return uid;
}

function withPlace<T>(column: readonly T[], place: number, value: T): readonly T[] {
  return place < column.length ? column.with(place, value) : [...column, value];
}

function nobody(uid: Uid, block: BlockNumber): Hotkey {
  return blake2AsHex(`nobody at uid ${uid} since block ${block}`, 256) as Hotkey;
}

/** Accounts that exist keep what they have. */
function fund(system: PalletStorage, address: string): void {
  const account = system.read("Account", address)?.toJSON() as { readonly providers: number } | undefined;
  if (account !== undefined && account.providers > 0) return;
  const balance = { free: STARTING_BALANCE_RAO, reserved: 0, frozen: 0, flags: 0 };
  system.put("Account", [address], { nonce: 0, consumers: 0, providers: 1, sufficients: 0, data: balance });
}

import type { BlockState, Chain } from "../chain.ts";
import { PalletReader } from "../state/pallet-storage.ts";

/** Fields of a metagraph that are the storage item of the given name. */
const RULES = {
  tempo: "Tempo",
  minAllowedWeights: "MinAllowedWeights",
  maxWeightsLimit: "MaxWeightsLimit",
  weightsVersion: "WeightsVersionKey",
  weightsRateLimit: "WeightsSetRateLimit",
  activityCutoff: "ActivityCutoff",
  maxValidators: "MaxAllowedValidators",
  numUids: "SubnetworkN",
  maxUids: "MaxAllowedUids",
  immunityPeriod: "ImmunityPeriod",
  servingRateLimit: "ServingRateLimit",
  commitRevealWeightsEnabled: "CommitRevealWeightsEnabled",
  commitRevealPeriod: "RevealPeriodEpochs",
  ownerHotkey: "SubnetOwnerHotkey",
} as const;

/** Answers `SubnetInfoRuntimeApi_get_metagraph`: nothing for a subnet that does not exist. */
export function metagraphCall({ codec }: Chain, state: BlockState, input: Uint8Array): string {
  const netuid = new DataView(input.buffer, input.byteOffset, input.byteLength).getUint16(0, true);
  const subtensor = new PalletReader(codec, state, "SubtensorModule");
  const exists = subtensor.read("NetworksAdded", netuid)?.isEmpty === false;
  const metagraph = exists ? metagraphOf(subtensor, netuid, state.block.number) : null;
  return codec.encodeApiOutput("SubnetInfoRuntimeApi", "get_metagraph", metagraph);
}

function metagraphOf(subtensor: PalletReader, netuid: number, block: number): Readonly<Record<string, unknown>> {
  const rules = Object.entries(RULES).map(([name, item]) => [name, subtensor.read(item, netuid)] as const);
  const uids = Array.from({ length: subtensor.number("SubnetworkN", netuid) }, (_, uid) => uid);
  const hotkeys = uids.map((uid) => subtensor.address("Keys", netuid, uid));
  const updates = subtensor.numbers("LastUpdate", netuid);
  const permits = subtensor.flags("ValidatorPermit", netuid);
  const active = subtensor.flags("Active", netuid);
  return {
    netuid,
    block,
    ...Object.fromEntries(rules),
    hotkeys,
    coldkeys: hotkeys.map((hotkey) => subtensor.address("Owner", hotkey)),
    axons: hotkeys.map((hotkey) => subtensor.read("Axons", netuid, hotkey)?.toJSON() ?? {}),
    active: uids.map((uid) => active[uid] ?? false),
    validatorPermit: uids.map((uid) => permits[uid] ?? false),
    lastUpdate: uids.map((uid) => updates[uid] ?? 0),
    totalStake: hotkeys.map((hotkey) => subtensor.bigint("TotalHotkeyAlpha", hotkey, netuid)),
  };
}

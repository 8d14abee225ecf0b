import type { Beacon } from "@assay/chain/timelock/beacon";
import type { Netuid } from "@assay/core/units";
import { writeBeacon } from "./runtime/beacon-pulses.ts";
import { writeHyperparameters } from "./runtime/hyperparameters.ts";
import { SHARE_COLUMNS, writeNeuron } from "./runtime/registration.ts";
import { palletOf, type RootScope } from "./runtime/root-action.ts";
import type { PalletStorage } from "./state/pallet-storage.ts";
import type { RuntimeCodec } from "./state/runtime-codec.ts";
import type { StateOverlay } from "./state/state-overlay.ts";
import type { GenesisNeuron, SubnetRules } from "./subnet-terms.ts";

export interface Genesis {
  readonly netuid: Netuid;
  readonly neurons: readonly GenesisNeuron[];
  readonly hyperparameters: SubnetRules;
  readonly beacon: Beacon;
}

/** Block 0 is as if the chain's root had done all of it. */
export function writeGenesis(codec: RuntimeCodec, state: StateOverlay, genesis: Genesis): void {
  const { netuid, neurons } = genesis;
  const scope: RootScope = { codec, netuid, state, block: 0 };
  const subtensor = palletOf(scope, "SubtensorModule");
  subtensor.put("NetworksAdded", [netuid], true);
  subtensor.put("SubnetworkN", [netuid], neurons.length);
  writeHyperparameters(genesis.hyperparameters)(scope);
  writeBeacon(palletOf(scope, "Drand"), genesis.beacon);
  writeNeuronColumns(subtensor, genesis);
  for (const [uid, neuron] of neurons.entries()) writeNeuron(scope, uid, neuron);
  const owner = neurons.find((neuron) => neuron.owner === true);
  if (owner !== undefined) subtensor.put("SubnetOwnerHotkey", [netuid], owner.hotkey);
}

function writeNeuronColumns(subtensor: PalletStorage, { netuid, neurons }: Genesis): void {
  const column = <T>(item: string, value: (neuron: GenesisNeuron) => T) =>
    subtensor.put(item, [netuid], neurons.map(value));
  for (const item of [...SHARE_COLUMNS, "LastUpdate"]) column(item, () => 0);
  column("Active", () => true);
  column("ValidatorPermit", ({ permit = false }) => permit);
}

import type { Beacon } from "@assay/chain/timelock/beacon";
import type { Hotkey, Netuid } from "@assay/core/units";
import { DEFAULT_MAX_SPACE } from "./metadata/commitments-pallet.ts";
import { writeBeacon } from "./runtime/beacon-pulses.ts";
import { PalletStorage } from "./state/pallet-storage.ts";
import type { RuntimeCodec } from "./state/runtime-codec.ts";
import type { StateOverlay } from "./state/state-overlay.ts";

/** A neuron that is registered from the first block on; its place in the list is its uid. */
export interface GenesisNeuron {
  readonly hotkey: Hotkey;
  /** The hotkey itself when not given. */
  readonly coldkey?: string;
  /** Stake on the subnet in rao (1 TAO = 10^9 rao); 0 when not given. */
  readonly stakeRao?: bigint;
  /** Whether it may set weights for others; false when not given. */
  readonly permit?: boolean;
}

/** The subnet's rules, in the chain's own units and names. */
export interface GenesisHyperparameters {
  /** Blocks of one epoch. */
  readonly tempo: number;
  /** Blocks between two set_weights of one neuron. */
  readonly weightsSetRateLimit: number;
  readonly weightsVersionKey: bigint;
  readonly minAllowedWeights: number;
  /** Largest share of one weight in 1/65535; 65535 turns the rule off. */
  readonly maxWeightsLimit: number;
  readonly maxAllowedValidators: number;
  readonly activityCutoff: number;
  /** Blocks between two serve_axon of one neuron. */
  readonly servingRateLimit: number;
  readonly commitRevealWeightsEnabled: boolean;
  /** Version of time-locked commits; another one than 4 leaves clients the way of hashes. */
  readonly commitRevealWeightsVersion: number;
  readonly revealPeriodEpochs: number;
  /** Least stake, in rao, that may set weights. */
  readonly stakeThreshold: bigint;
  /** Bytes that one account may commit per epoch; each commitment counts at least 100. */
  readonly maxSpace: number;
}

/** The real chain's defaults, but commit-reveal, which is on there. */
export const DEFAULT_HYPERPARAMETERS: GenesisHyperparameters = {
  tempo: 360,
  weightsSetRateLimit: 100,
  weightsVersionKey: 0n,
  minAllowedWeights: 1,
  maxWeightsLimit: 65_535,
  maxAllowedValidators: 128,
  activityCutoff: 5000,
  servingRateLimit: 50,
  commitRevealWeightsEnabled: false,
  commitRevealWeightsVersion: 4,
  revealPeriodEpochs: 1,
  stakeThreshold: 0n,
  maxSpace: DEFAULT_MAX_SPACE,
};

export interface Genesis {
  readonly netuid: Netuid;
  readonly neurons: readonly GenesisNeuron[];
  readonly hyperparameters: GenesisHyperparameters;
  readonly beacon: Beacon;
}

const STARTING_BALANCE_RAO = 10n ** 15n;

export function writeGenesis(codec: RuntimeCodec, overlay: StateOverlay, genesis: Genesis): void {
  const subtensor = new PalletStorage(codec, overlay, "SubtensorModule");
  const system = new PalletStorage(codec, overlay, "System");
  writeSubnet(subtensor, genesis);
  new PalletStorage(codec, overlay, "Commitments").put("MaxSpace", [], genesis.hyperparameters.maxSpace);
  writeBeacon(new PalletStorage(codec, overlay, "Drand"), genesis.beacon);
  writeNeuronColumns(subtensor, genesis);
  for (const [uid, neuron] of genesis.neurons.entries()) {
    writeNeuron(subtensor, genesis.netuid, uid, neuron);
    for (const address of new Set([neuron.hotkey, neuron.coldkey ?? neuron.hotkey])) fund(system, address);
  }
}

function writeSubnet(subtensor: PalletStorage, { netuid, neurons, hyperparameters }: Genesis): void {
  const values = {
    NetworksAdded: true,
    SubnetworkN: neurons.length,
    Tempo: hyperparameters.tempo,
    WeightsSetRateLimit: hyperparameters.weightsSetRateLimit,
    WeightsVersionKey: hyperparameters.weightsVersionKey,
    MinAllowedWeights: hyperparameters.minAllowedWeights,
    MaxWeightsLimit: hyperparameters.maxWeightsLimit,
    MaxAllowedValidators: hyperparameters.maxAllowedValidators,
    ActivityCutoff: hyperparameters.activityCutoff,
    ServingRateLimit: hyperparameters.servingRateLimit,
    CommitRevealWeightsEnabled: hyperparameters.commitRevealWeightsEnabled,
    RevealPeriodEpochs: hyperparameters.revealPeriodEpochs,
  };
  for (const [item, value] of Object.entries(values)) subtensor.put(item, [netuid], value);
  subtensor.put("StakeThreshold", [], hyperparameters.stakeThreshold);
  subtensor.put("CommitRevealWeightsVersion", [], hyperparameters.commitRevealWeightsVersion);
}

function writeNeuronColumns(subtensor: PalletStorage, { netuid, neurons }: Genesis): void {
  const zeros = neurons.map(() => 0);
  const shares = ["Rank", "Trust", "Consensus", "Incentive", "Dividends", "ValidatorTrust", "Emission", "LastUpdate"];
  for (const item of shares) subtensor.put(item, [netuid], zeros);
  subtensor.put(
    "Active",
    [netuid],
    neurons.map(() => true),
  );
  subtensor.put(
    "ValidatorPermit",
    [netuid],
    neurons.map(({ permit = false }) => permit),
  );
}

function writeNeuron(subtensor: PalletStorage, netuid: Netuid, uid: number, neuron: GenesisNeuron): void {
  const { hotkey, coldkey = hotkey, stakeRao = 0n } = neuron;
  subtensor.put("Keys", [netuid, uid], hotkey);
  subtensor.put("Uids", [netuid, hotkey], uid);
  subtensor.put("Owner", [hotkey], coldkey);
  subtensor.put("IsNetworkMember", [hotkey, netuid], true);
  subtensor.put("BlockAtRegistration", [netuid, uid], 0);
  if (stakeRao > 0n) subtensor.put("TotalHotkeyAlpha", [hotkey, netuid], stakeRao);
}

function fund(system: PalletStorage, address: string): void {
  const balance = { free: STARTING_BALANCE_RAO, reserved: 0, frozen: 0, flags: 0 };
  system.put("Account", [address], { nonce: 0, consumers: 0, providers: 1, sufficients: 0, data: balance });
}

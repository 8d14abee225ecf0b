import type { ChainError } from "@assay/chain/chain-error";
import { dispatchRefusal } from "@assay/chain/chain-refusal";
import type { ChainCommitment, Neuron, SubnetHyperparameters } from "@assay/core/round/snapshot";
import type { BlockNumber, Hotkey, Netuid, Uid } from "@assay/core/units";

/** Everything the subnet consists of at one block. Never changed, only replaced. */
export interface FakeSubnet {
  readonly netuid: Netuid;
  readonly neurons: readonly Neuron[];
  /** Whether its runtime tells stakes with what parents lend. */
  readonly stakeIsTotal: boolean;
  readonly hyperparameters: SubnetHyperparameters;
  readonly commitments: ReadonlyMap<Hotkey, ChainCommitment>;
  readonly weights: ReadonlyMap<Uid, readonly (readonly [Uid, number])[]>;
  readonly epoch: { readonly index: number; readonly firstBlock: BlockNumber };
  readonly commitReveal: { readonly version: number; readonly periodEpochs: number };
  /** Weights that are committed and not shown, oldest first. */
  readonly commits: readonly FakeCommit[];
  /** Extrinsics that blocks contain, by signer. */
  readonly nonces: ReadonlyMap<Hotkey, number>;
  /** Newest round of the beacon that the subnet follows. */
  readonly lastRound: number;
}

export interface FakeCommit {
  readonly signer: Hotkey;
  readonly hash: string;
  readonly epoch: number;
  /** Null for a commit by hash. */
  readonly sealed: { readonly bytes: Uint8Array; readonly round: number } | null;
}

export interface Execution<Call> {
  readonly signer: Hotkey;
  readonly call: Call;
  readonly block: BlockNumber;
}

export function neuronOf({ neurons }: FakeSubnet, hotkey: Hotkey): Neuron | undefined {
  return neurons.find((neuron) => neuron.hotkey === hotkey);
}

export function replace(neurons: readonly Neuron[], changed: Neuron): readonly Neuron[] {
  return neurons.map((neuron) => (neuron.uid === changed.uid ? changed : neuron));
}

export function refuse(name: string, pallet = "SubtensorModule"): ChainError {
  return dispatchRefusal(pallet, name);
}

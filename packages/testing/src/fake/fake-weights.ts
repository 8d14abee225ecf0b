import type { SetWeightsCall } from "@assay/chain/chain-client";
import type { ChainError } from "@assay/chain/chain-error";
import type { Neuron } from "@assay/core/round/snapshot";
import type { BlockNumber } from "@assay/core/units";
import { isWithinMaxWeight, maxUpscaled } from "@assay/core/weights/pallet-weights";
import { type Execution, type FakeSubnet, neuronOf, refuse, replace } from "./fake-subnet.ts";

/** `set_weights`, refused while the subnet hides weights. */
export function setWeights(subnet: FakeSubnet, execution: Execution<SetWeightsCall>): FakeSubnet | ChainError {
  const { netuid, hyperparameters } = subnet;
  if (hyperparameters.commitRevealEnabled && execution.call.netuid === netuid) return refuse("CommitRevealEnabled");
  return storeWeights(subnet, execution);
}

/** Stores a vector; while the subnet hides weights, rate limit and last update were the commit's business. */
export function storeWeights(
  subnet: FakeSubnet,
  execution: Execution<Omit<SetWeightsCall, "kind">>,
): FakeSubnet | ChainError {
  const { signer, call, block } = execution;
  const neuron = neuronOf(subnet, signer);
  const refusal = weightsRefusal(subnet, neuron, execution);
  if (refusal !== null) return refuse(refusal);
  if (neuron === undefined) return refuse("HotKeyNotRegisteredInSubNet");
  const scaled = maxUpscaled(call.weights);
  const pairs = call.uids.map((uid, index) => [uid, scaled[index] ?? 0] as const).sort(([a], [b]) => a - b);
  const weights = new Map(subnet.weights).set(neuron.uid, pairs);
  if (subnet.hyperparameters.commitRevealEnabled) return { ...subnet, weights };
  return { ...subnet, weights, neurons: replace(subnet.neurons, { ...neuron, lastUpdate: block }) };
}

/** Whether the neuron acted too short a time ago to set or commit weights. */
export function isTooSoon({ hyperparameters }: FakeSubnet, last: BlockNumber, block: BlockNumber): boolean {
  return last !== 0 && block - last < hyperparameters.weightsRateLimit;
}

function weightsRefusal(
  subnet: FakeSubnet,
  neuron: Neuron | undefined,
  { call, block }: Execution<Omit<SetWeightsCall, "kind">>,
): string | null {
  const { netuid, neurons, hyperparameters: rules } = subnet;
  const { uids, weights, versionKey } = call;
  const isSelfWeight = uids.length === 1 && uids[0] === neuron?.uid;
  const tooSoon = !rules.commitRevealEnabled && isTooSoon(subnet, neuron?.lastUpdate ?? 0, block);
  const isOwner = neuron?.hotkey === rules.ownerHotkey;
  const checks: readonly (readonly [isRefused: boolean, name: string])[] = [
    [uids.length !== weights.length, "WeightVecNotEqualSize"],
    [call.netuid !== netuid, "SubnetNotExists"],
    [uids.length > neurons.length, "UidsLengthExceedUidsInSubNet"],
    [neuron === undefined, "HotKeyNotRegisteredInSubNet"],
    [!isOwner && (neuron?.stakeRao ?? 0n) < rules.stakeThresholdRao, "NotEnoughStakeToSetWeights"],
    [versionKey < rules.weightsVersionKey, "IncorrectWeightVersionKey"],
    [tooSoon, "SettingWeightsTooFast"],
    [!(isSelfWeight || isOwner) && neuron?.validatorPermit !== true, "NeuronNoValidatorPermit"],
    [new Set(uids).size !== uids.length, "DuplicateUids"],
    [uids.some((uid) => uid >= neurons.length), "UidVecContainInvalidOne"],
    [!isSelfWeight && uids.length < Math.min(neurons.length, rules.minAllowedWeights), "WeightVecLengthIsLow"],
    [!isSelfWeight && !isWithinMaxWeight(maxUpscaled(weights), rules.maxWeightsLimit), "MaxWeightExceeded"],
  ];
  return checks.find(([isRefused]) => isRefused)?.[1] ?? null;
}

import type { ChainCall, ServeAxonCall, SetCommitmentCall, SetWeightsCall } from "@assay/chain/chain-client";
import type { ChainError } from "@assay/chain/chain-error";
import { dispatchRefusal } from "@assay/chain/chain-refusal";
import type { ChainCommitment, Neuron, SubnetHyperparameters } from "@assay/core/round/snapshot";
import type { BlockNumber, Hotkey, Netuid, Uid } from "@assay/core/units";

/** Everything the subnet consists of at one block. Never changed, only replaced. */
export interface FakeSubnet {
  readonly netuid: Netuid;
  readonly neurons: readonly Neuron[];
  readonly hyperparameters: SubnetHyperparameters;
  readonly commitments: ReadonlyMap<Hotkey, ChainCommitment>;
  readonly weights: ReadonlyMap<Uid, readonly (readonly [Uid, number])[]>;
}

interface Execution<Call extends ChainCall> {
  readonly signer: Hotkey;
  readonly call: Call;
  readonly block: BlockNumber;
}

/** The subnet after the call, or the chain's refusal, checked in the real runtime's order (spec 425). */
export function applyCall(subnet: FakeSubnet, execution: Execution<ChainCall>): FakeSubnet | ChainError {
  const { call } = execution;
  switch (call.kind) {
    case "set_weights":
      return setWeights(subnet, { ...execution, call });
    case "set_commitment":
      return setCommitment(subnet, { ...execution, call });
    case "serve_axon":
      return serveAxon(subnet, { ...execution, call });
  }
}

function setWeights(subnet: FakeSubnet, execution: Execution<SetWeightsCall>): FakeSubnet | ChainError {
  const { signer, call, block } = execution;
  const neuron = neuronOf(subnet, signer);
  const refusal = weightsRefusal(subnet, neuron, execution);
  if (refusal !== null) return refuse(refusal);
  if (neuron === undefined) return refuse("HotKeyNotRegisteredInSubNet");
  const pairs = call.uids.map((uid, index) => [uid, call.weights[index] ?? 0] as const).sort(([a], [b]) => a - b);
  const weights = new Map(subnet.weights).set(neuron.uid, upscale(pairs));
  return { ...subnet, weights, neurons: replace(subnet.neurons, { ...neuron, lastUpdate: block }) };
}

function weightsRefusal(
  { netuid, neurons, hyperparameters: rules }: FakeSubnet,
  neuron: Neuron | undefined,
  { call, block }: Execution<SetWeightsCall>,
): string | null {
  const { uids, weights, versionKey } = call;
  const isSelfWeight = uids.length === 1 && uids[0] === neuron?.uid;
  const tooSoon = (last: BlockNumber) => last !== 0 && block - last < rules.weightsRateLimit;
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const largestShare = sum === 0 ? 0 : Math.max(...weights) / sum;
  const checks: readonly (readonly [isRefused: boolean, name: string])[] = [
    [rules.commitRevealEnabled && call.netuid === netuid, "CommitRevealEnabled"],
    [uids.length !== weights.length, "WeightVecNotEqualSize"],
    [call.netuid !== netuid, "SubnetNotExists"],
    [uids.length > neurons.length, "UidsLengthExceedUidsInSubNet"],
    [neuron === undefined, "HotKeyNotRegisteredInSubNet"],
    [(neuron?.stakeRao ?? 0n) < rules.stakeThresholdRao, "NotEnoughStakeToSetWeights"],
    [versionKey < rules.weightsVersionKey, "IncorrectWeightVersionKey"],
    [tooSoon(neuron?.lastUpdate ?? 0), "SettingWeightsTooFast"],
    [!isSelfWeight && neuron?.validatorPermit !== true, "NeuronNoValidatorPermit"],
    [new Set(uids).size !== uids.length, "DuplicateUids"],
    [uids.some((uid) => uid >= neurons.length), "UidVecContainInvalidOne"],
    [!isSelfWeight && uids.length < Math.min(neurons.length, rules.minAllowedWeights), "WeightVecLengthIsLow"],
    [
      !isSelfWeight && rules.maxWeightsLimit < 65_535 && largestShare > rules.maxWeightsLimit / 65_535,
      "MaxWeightExceeded",
    ],
  ];
  return checks.find(([isRefused]) => isRefused)?.[1] ?? null;
}

/** As the chain stores weights: the largest becomes 65535, zeros stay zeros. */
function upscale(pairs: readonly (readonly [Uid, number])[]): readonly (readonly [Uid, number])[] {
  const max = Math.max(0, ...pairs.map(([, weight]) => weight));
  return max === 0 ? pairs : pairs.map(([uid, weight]) => [uid, Math.round((weight * 65_535) / max)] as const);
}

function setCommitment(
  subnet: FakeSubnet,
  { signer, call, block }: Execution<SetCommitmentCall>,
): FakeSubnet | ChainError {
  if (call.netuid !== subnet.netuid || neuronOf(subnet, signer) === undefined) {
    return refuse("AccountNotAllowedCommit", "Commitments");
  }
  const commitment = { hotkey: signer, block, bytes: Uint8Array.from(call.bytes) };
  return { ...subnet, commitments: new Map(subnet.commitments).set(signer, commitment) };
}

function serveAxon(subnet: FakeSubnet, { signer, call }: Execution<ServeAxonCall>): FakeSubnet | ChainError {
  const neuron = neuronOf(subnet, signer);
  if (neuron === undefined) return refuse("HotKeyNotRegisteredInNetwork");
  if (/^(127\.|::1$)/.test(call.ip)) return refuse("InvalidIpAddress");
  if (call.port === 0) return refuse("InvalidPort");
  const axon = { ip: call.ip, port: call.port };
  return { ...subnet, neurons: replace(subnet.neurons, { ...neuron, axon }) };
}

function neuronOf({ neurons }: FakeSubnet, hotkey: Hotkey): Neuron | undefined {
  return neurons.find((neuron) => neuron.hotkey === hotkey);
}

function replace(neurons: readonly Neuron[], changed: Neuron): readonly Neuron[] {
  return neurons.map((neuron) => (neuron.uid === changed.uid ? changed : neuron));
}

function refuse(name: string, pallet = "SubtensorModule"): ChainError {
  return dispatchRefusal(pallet, name);
}

import type { ChainCall, ServeAxonCall, SetCommitmentCall } from "@assay/chain/chain-client";
import type { ChainError } from "@assay/chain/chain-error";
import { isServableIp } from "@assay/chain/ip-address";
import { commitHash, commitTimelocked, revealHashed } from "./fake-hidden-weights.ts";
import { type Execution, type FakeSubnet, neuronOf, refuse, replace } from "./fake-subnet.ts";
import { setWeights } from "./fake-weights.ts";

/** The subnet after the call, or the chain's refusal, checked in the real runtime's order (spec 425). */
export function applyCall(subnet: FakeSubnet, execution: Execution<ChainCall>): FakeSubnet | ChainError {
  const { call } = execution;
  switch (call.kind) {
    case "set_weights":
      return setWeights(subnet, { ...execution, call });
    case "commit_timelocked_weights":
      return commitTimelocked(subnet, { ...execution, call });
    case "commit_weights":
      return commitHash(subnet, { ...execution, call });
    case "reveal_weights":
      return revealHashed(subnet, { ...execution, call });
    case "set_commitment":
      return setCommitment(subnet, { ...execution, call });
    case "serve_axon":
      return serveAxon(subnet, { ...execution, call });
  }
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
  if (!isServableIp(call.ip)) return refuse("InvalidIpAddress");
  if (call.port === 0) return refuse("InvalidPort");
  const axon = { ip: call.ip, port: call.port };
  return { ...subnet, neurons: replace(subnet.neurons, { ...neuron, axon }) };
}

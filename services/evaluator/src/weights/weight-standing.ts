import type { ChainClient } from "@assay/chain/chain-client";
import type { WeightWay } from "@assay/chain/weight-rules";
import type { Neuron } from "@assay/core/round/snapshot";
import type { BlockHash, BlockNumber, Netuid, Uid } from "@assay/core/units";
import type { WeightIntent } from "@assay/ledger/intents";
import { EvaluatorError, EvaluatorErrorCode } from "../evaluator-error.ts";

/** Where an intent stands on chain. */
export type WeightStanding =
  /** The chain holds these weights, set in a block that is final. */
  | { readonly kind: "on_chain"; readonly block: BlockNumber }
  /** The newest block holds them, but that block is not final. */
  | { readonly kind: "landing" }
  /** The chain would refuse them as too soon until this block. */
  | { readonly kind: "rate_limited"; readonly until: BlockNumber }
  | { readonly kind: "sendable" };

/**
 * Reads where an intent stands, so that nothing is sent that is there already. Hidden weights are never
 * there before they are sent: what is shown now was committed an epoch ago or more.
 *
 * @throws EvaluatorError `EVALUATOR_NOT_REGISTERED` when our hotkey has no slot.
 */
export async function weightStanding(
  intent: WeightIntent,
  chain: ChainClient,
  way: WeightWay,
): Promise<WeightStanding> {
  const head = chain.head();
  const { neurons, hyperparameters } = await chain.snapshot(intent.netuid, head.hash);
  const { uid, lastUpdate } = ownNeuron(neurons, chain, intent.netuid);
  const isShown = way === "plain" && lastUpdate >= intent.plannedBlock;
  if (isShown && holdsWeights(intent, await chain.weights(intent.netuid, uid, head.hash))) {
    return lastUpdate <= chain.finalizedHead().number ? { kind: "on_chain", block: lastUpdate } : { kind: "landing" };
  }
  const until = lastUpdate === 0 ? 0 : lastUpdate + hyperparameters.weightsRateLimit;
  return head.number < until ? { kind: "rate_limited", until } : { kind: "sendable" };
}

/** Whether the chain held exactly the intent's weights at a block. */
export async function areWeightsStored(intent: WeightIntent, chain: ChainClient, at: BlockHash): Promise<boolean> {
  const { neurons } = await chain.snapshot(intent.netuid, at);
  const { uid } = ownNeuron(neurons, chain, intent.netuid);
  return holdsWeights(intent, await chain.weights(intent.netuid, uid, at));
}

function holdsWeights({ uids, weights }: WeightIntent, stored: readonly (readonly [Uid, number])[]): boolean {
  return (
    stored.length === uids.length &&
    stored.every(([uid, weight], index) => uid === uids[index] && weight === weights[index])
  );
}

/**
 * The neuron of our own hotkey.
 *
 * @throws EvaluatorError `EVALUATOR_NOT_REGISTERED` when it has no slot.
 */
export function ownNeuron(neurons: readonly Neuron[], { hotkey }: ChainClient, netuid: Netuid): Neuron {
  const own = neurons.find((neuron) => neuron.hotkey === hotkey);
  if (own !== undefined) return own;
  throw new EvaluatorError(EvaluatorErrorCode.NotRegistered, "The validator's hotkey is not registered", {
    fields: { netuid, hotkey },
  });
}

import { blockReached } from "@assay/chain/block-reached";
import type { ChainClient } from "@assay/chain/chain-client";
import type { Neuron } from "@assay/core/round/snapshot";
import type { BlockHash, BlockNumber } from "@assay/core/units";
import type { WeightIntent } from "@assay/ledger/intents";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { WeightOutcome } from "@assay/runtime/queue/job-outcomes";
import type { ReceivedJob } from "@assay/runtime/queue/worker";
import { EvaluatorError, EvaluatorErrorCode } from "../evaluator-error.ts";
import type { EvaluatorMetrics } from "../metrics.ts";

export interface WeightProcessorComponents {
  readonly chain: ChainClient;
  readonly ledger: Ledger;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

/**
 * Brings one weight intent to the chain and reads it back.
 *
 * Safe to repeat and to be killed anywhere: before anything is sent, the chain is asked whether these weights are
 * there already. Ends with `verified` only when the chain's storage equals the intent.
 */
export function createWeightProcessor({ chain, ledger, metrics, logger }: WeightProcessorComponents) {
  return async function bringWeightsToChain(
    { payload: job }: ReceivedJob<"weights">,
    signal: AbortSignal,
  ): Promise<WeightOutcome> {
    const intent = await ledger.intents.get(job.intentId);
    if (intent === null) throw new Error(`No weight intent ${job.intentId}`);
    const { intentId } = job;
    if (intent.state === "verified") return { intentId, state: "verified" };
    if (intent.state === "failed") return { intentId, state: "expired" };
    const latest = await ledger.intents.latest();
    if (latest !== null && latest.id !== intentId) return await giveUp(intent, "superseded");
    if (chain.head().number > intent.deadlineBlock) return await giveUp(intent, "expired");

    const validator = await ownNeuron(intent);
    if (validator.lastUpdate >= intent.plannedBlock && (await isOnChain(intent, validator, chain.head().hash))) {
      return await confirm(intent, validator.lastUpdate, intent.extrinsicHash ?? "");
    }
    await waitForRateLimit(intent, validator, signal);
    return await send(intent, validator, signal);
  };

  async function send(intent: WeightIntent, validator: Neuron, signal: AbortSignal): Promise<WeightOutcome> {
    const { netuid, uids, weights, versionKey, deadlineBlock } = intent;
    const receipt = await chain.submit(
      { kind: "set_weights", netuid, uids, weights, versionKey },
      {
        signal,
        deadlineBlock,
        onState: (state, { extrinsicHash }) => {
          if (state === "signed" || state === "in_block")
            void ledger.intents.transition(intent.id, state, { extrinsicHash });
        },
      },
    );
    await ledger.intents.transition(intent.id, "finalised", { block: receipt.block, extrinsicHash: receipt.hash });
    if (!(await isOnChain(intent, validator, receipt.blockHash))) {
      metrics.setWeightsSuccess.set(0);
      throw new EvaluatorError(EvaluatorErrorCode.WeightsNotVerified, "The weights on chain are not the ones we set", {
        retryable: true,
        fields: { intentId: intent.id, block: receipt.block },
      });
    }
    return await confirm(intent, receipt.block, receipt.hash);
  }

  async function confirm(intent: WeightIntent, block: BlockNumber, extrinsicHash: string): Promise<WeightOutcome> {
    await ledger.intents.transition(intent.id, "verified", { block, extrinsicHash });
    metrics.setWeights.inc({ result: "verified" });
    metrics.setWeightsSuccess.set(1);
    logger.info("set_weights() confirmed", {
      block,
      tx: extrinsicHash,
      round: intent.roundId,
      uids: intent.uids.length,
    });
    return { intentId: intent.id, state: "verified" };
  }

  async function giveUp(intent: WeightIntent, state: "superseded" | "expired"): Promise<WeightOutcome> {
    await ledger.intents.transition(intent.id, "failed", { error: state });
    metrics.setWeights.inc({ result: state });
    if (state === "expired") metrics.setWeightsSuccess.set(0);
    logger.error("Weights were not set", { round: intent.roundId, why: state, deadline: intent.deadlineBlock });
    return { intentId: intent.id, state };
  }

  async function ownNeuron(intent: WeightIntent): Promise<Neuron> {
    const snapshot = await chain.snapshot(intent.netuid, chain.head().hash);
    const own = snapshot.neurons.find((neuron) => neuron.hotkey === chain.hotkey);
    if (own) return own;
    throw new EvaluatorError(EvaluatorErrorCode.NotRegistered, "The validator's hotkey is not registered", {
      fields: { netuid: intent.netuid, hotkey: chain.hotkey },
    });
  }

  async function isOnChain(intent: WeightIntent, validator: Neuron, at: BlockHash): Promise<boolean> {
    const stored = await chain.weights(intent.netuid, validator.uid, at);
    return (
      stored.length === intent.uids.length &&
      stored.every(([uid, weight], index) => uid === intent.uids[index] && weight === intent.weights[index])
    );
  }

  async function waitForRateLimit(intent: WeightIntent, validator: Neuron, signal: AbortSignal): Promise<void> {
    const { hyperparameters } = await chain.snapshot(intent.netuid, chain.head().hash);
    if (validator.lastUpdate === 0) return;
    const earliest = validator.lastUpdate + hyperparameters.weightsRateLimit;
    if (chain.head().number >= earliest) return;
    logger.info("Waiting for the chain's rate limit before setting weights", {
      until: earliest,
      round: intent.roundId,
    });
    await blockReached(chain, Math.min(earliest, intent.deadlineBlock), signal);
  }
}

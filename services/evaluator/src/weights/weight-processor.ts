import { blockReached } from "@assay/chain/block-reached";
import type { ChainClient, ExtrinsicReceipt } from "@assay/chain/chain-client";
import type { BlockNumber } from "@assay/core/units";
import type { WeightIntent } from "@assay/ledger/intents";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { WeightOutcome } from "@assay/runtime/queue/job-outcomes";
import type { ReceivedJob } from "@assay/runtime/queue/worker";
import { EvaluatorError, EvaluatorErrorCode } from "../evaluator-error.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import { OrderedWrites } from "./ordered-writes.ts";
import { areWeightsStored, weightStanding } from "./weight-standing.ts";

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
 * there already. Ends with `verified` only when the chain's storage, at a final block, equals the intent.
 */
export function createWeightProcessor({ chain, ledger, metrics, logger }: WeightProcessorComponents) {
  return async function bringWeightsToChain(
    { payload: { intentId } }: ReceivedJob<"weights">,
    signal: AbortSignal,
  ): Promise<WeightOutcome> {
    const intent = await ledger.intents.get(intentId);
    if (intent === null) throw new Error(`No weight intent ${intentId}`);
    let outcome = outcomeOf(intent);
    while (outcome === null) outcome = await advance(intent, signal);
    return outcome;
  };

  /** The next thing to do for an intent; null when it has to be looked at again. */
  async function advance(intent: WeightIntent, signal: AbortSignal): Promise<WeightOutcome | null> {
    const standing = await weightStanding(intent, chain);
    if (standing.kind === "on_chain") return await confirm(intent, standing.block, intent.extrinsicHash ?? "");
    if (standing.kind === "landing") {
      await blockReached(chain, chain.head().number + 1, signal);
      return null;
    }
    if (await isSuperseded(intent)) return await giveUp(intent, "superseded");
    if (chain.head().number >= intent.deadlineBlock) return await giveUp(intent, "expired");
    if (standing.kind === "sendable") return await send(intent, signal);
    await waitForRateLimit(intent, standing.until, signal);
    return null;
  }

  async function isSuperseded({ id }: WeightIntent): Promise<boolean> {
    return (await ledger.intents.latest())?.id !== id;
  }

  /** Ends early for a newer intent, which waits for this one's job to end. */
  async function waitForRateLimit(intent: WeightIntent, until: BlockNumber, signal: AbortSignal): Promise<void> {
    logger.info("Waiting for the chain's rate limit before setting weights", { until, round: intent.roundId });
    const end = Math.min(until, intent.deadlineBlock);
    while (chain.head().number < end && !(await isSuperseded(intent))) {
      await blockReached(chain, chain.head().number + 1, signal);
    }
  }

  async function send(intent: WeightIntent, signal: AbortSignal): Promise<WeightOutcome> {
    const { id, netuid, uids, weights, versionKey, deadlineBlock } = intent;
    const states = new OrderedWrites();
    const submission = chain.submit(
      { kind: "set_weights", netuid, uids, weights, versionKey },
      {
        signal,
        deadlineBlock,
        onState: (state, { extrinsicHash }) => {
          if (state !== "signed" && state !== "in_block") return;
          states.add(() => ledger.intents.transition(id, state, { extrinsicHash }));
        },
      },
    );
    const receipt = await submission.finally(() => states.settled());
    states.throwFailure();
    await ledger.intents.transition(id, "finalised", { block: receipt.block, extrinsicHash: receipt.hash });
    if (await areWeightsStored(intent, chain, receipt.blockHash)) {
      return await confirm(intent, receipt.block, receipt.hash);
    }
    throw await alarm(intent, receipt);
  }

  async function confirm(intent: WeightIntent, block: BlockNumber, extrinsicHash: string): Promise<WeightOutcome> {
    await ledger.intents.transition(intent.id, "verified", { block, extrinsicHash });
    metrics.setWeights.inc({ result: "verified" });
    metrics.setWeightsSuccess.set(1);
    const { roundId, uids } = intent;
    logger.info("set_weights() confirmed", { block, tx: extrinsicHash, round: roundId, uids: uids.length });
    return { intentId: intent.id, state: "verified" };
  }

  async function giveUp(intent: WeightIntent, state: "superseded" | "expired"): Promise<WeightOutcome> {
    const { id, roundId, deadlineBlock } = intent;
    await ledger.intents.transition(id, "failed", { error: state });
    await ledger.events.append({
      kind: "weights_not_set",
      block: chain.head().number,
      fields: { roundId, reason: state },
    });
    metrics.setWeights.inc({ result: state });
    const facts = { round: roundId, why: state, deadline: deadlineBlock };
    if (state === "superseded") {
      logger.warn("Weights were not set: newer ones take their place", facts);
    } else {
      metrics.setWeightsSuccess.set(0);
      logger.error("Weights were not set", facts);
    }
    return { intentId: id, state };
  }

  async function alarm({ id, roundId }: WeightIntent, { block, hash }: ExtrinsicReceipt): Promise<EvaluatorError> {
    metrics.setWeights.inc({ result: "not_verified" });
    metrics.setWeightsSuccess.set(0);
    await ledger.events.append({ kind: "weights_not_verified", block, fields: { roundId, extrinsicHash: hash } });
    const error = new EvaluatorError(
      EvaluatorErrorCode.WeightsNotVerified,
      "The weights on chain are not the ones we set",
      { retryable: true, fields: { intentId: id, block, extrinsicHash: hash } },
    );
    logger.error(
      "Weights on chain differ from the intended ones; they are set again",
      { round: roundId, block },
      error,
    );
    return error;
  }
}

/** How an intent ended before; null while it is open. */
function outcomeOf({ id: intentId, state, error }: WeightIntent): WeightOutcome | null {
  if (state === "verified") return { intentId, state };
  if (state === "failed") return { intentId, state: error === "superseded" ? "superseded" : "expired" };
  return null;
}

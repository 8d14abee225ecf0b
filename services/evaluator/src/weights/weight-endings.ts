import type { ChainClient, ExtrinsicReceipt } from "@assay/chain/chain-client";
import type { BlockNumber } from "@assay/core/units";
import type { WeightIntent } from "@assay/ledger/intents";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { WeightOutcome } from "@assay/runtime/queue/job-outcomes";
import { EvaluatorError, EvaluatorErrorCode } from "../evaluator-error.ts";
import type { EvaluatorMetrics } from "../metrics.ts";

export interface WeightComponents {
  readonly chain: ChainClient;
  readonly ledger: Ledger;
  readonly metrics: EvaluatorMetrics;
  readonly logger: Logger;
}

/** How intents end, in the ledger, the metrics and the log. */
export class WeightEndings {
  readonly #components: WeightComponents;

  constructor(components: WeightComponents) {
    this.#components = components;
  }

  async confirm(intent: WeightIntent, block: BlockNumber, extrinsicHash: string): Promise<WeightOutcome> {
    const { ledger, metrics, logger } = this.#components;
    await ledger.intents.transition(intent.id, "verified", { block, extrinsicHash });
    metrics.setWeights.inc({ result: "verified" });
    metrics.setWeightsSuccess.set(1);
    const { roundId, uids } = intent;
    logger.info("set_weights() confirmed", { block, tx: extrinsicHash, round: roundId, uids: uids.length });
    return { intentId: intent.id, state: "verified" };
  }

  async giveUp(intent: WeightIntent, state: "superseded" | "expired"): Promise<WeightOutcome> {
    const { metrics, logger } = this.#components;
    const { roundId, deadlineBlock } = intent;
    await this.#fail(intent, state);
    metrics.setWeights.inc({ result: state });
    const facts = { round: roundId, why: state, deadline: deadlineBlock };
    if (state === "superseded") {
      logger.warn("Weights were not set: newer ones take their place", facts);
    } else {
      metrics.setWeightsSuccess.set(0);
      logger.error("Weights were not set", facts);
    }
    return { intentId: intent.id, state };
  }

  /** The commit is final, its epoch of reveal is over or the chain dropped it, and `Weights` shows something else. */
  async revealLost(intent: WeightIntent, block: BlockNumber): Promise<WeightOutcome> {
    const { metrics, logger } = this.#components;
    await this.#fail(intent, "reveal_lost");
    metrics.setWeights.inc({ result: "reveal_lost" });
    metrics.setWeightsSuccess.set(0);
    const facts = { round: intent.roundId, committed: intent.block, block };
    logger.error("Committed weights were not revealed; they are set again", facts);
    return { intentId: intent.id, state: "reveal_lost" };
  }

  /** An alarm, and the error that makes the job run again. */
  async notVerified({ id, roundId }: WeightIntent, { block, hash }: ExtrinsicReceipt): Promise<EvaluatorError> {
    const { ledger, metrics, logger } = this.#components;
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

  async #fail({ id, roundId }: WeightIntent, reason: "superseded" | "expired" | "reveal_lost"): Promise<void> {
    const { chain, ledger } = this.#components;
    await ledger.intents.transition(id, "failed", { error: reason });
    await ledger.events.append({
      kind: "weights_not_set",
      block: chain.head().number,
      fields: { roundId, reason },
    });
  }
}

/** How an intent ended before; null while it is open. */
export function endingOf({ id: intentId, state, error }: WeightIntent): WeightOutcome | null {
  if (state === "verified") return { intentId, state };
  if (state !== "failed") return null;
  if (error === "superseded" || error === "reveal_lost") return { intentId, state: error };
  return { intentId, state: "expired" };
}

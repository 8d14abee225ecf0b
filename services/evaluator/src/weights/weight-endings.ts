import type { BlockNumber } from "@assay/core/units";
import type { IntentReason, WeightIntent } from "@assay/ledger/weight-intent";
import type { WeightOutcome } from "@assay/runtime/queue/job-outcomes";
import { EvaluatorError, EvaluatorErrorCode } from "../evaluator-error.ts";
import type { WeightComponents } from "./weight-components.ts";

/** Reasons for which the plan no longer fits the chain; a window that is still open gets a new one. */
const OUTDATED = ["version_key", "uid_reassigned"] as const;
type OutdatedReason = (typeof OUTDATED)[number];

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
    const { roundId, deadlineBlock, reason } = intent;
    await this.#fail(intent, state);
    metrics.setWeights.inc({ result: state });
    const waited = reason === null ? {} : { waited_for: reason };
    const facts = { round: roundId, why: state, deadline: deadlineBlock, ...waited };
    if (state === "superseded") {
      logger.warn("Weights were not set: newer ones take their place", facts);
    } else {
      metrics.setWeightsSuccess.set(0);
      logger.error("Weights were not set", facts);
    }
    return { intentId: intent.id, state };
  }

  /** The plan no longer fits the chain, and nothing of it was sent. */
  async outdated(intent: WeightIntent, reason: OutdatedReason): Promise<WeightOutcome> {
    const { metrics, logger } = this.#components;
    await this.#fail(intent, reason);
    metrics.setWeights.inc({ result: "outdated" });
    logger.warn("Weights are planned anew: the chain changed meanwhile", { round: intent.roundId, why: reason });
    return { intentId: intent.id, state: "outdated" };
  }

  /** Another process with our hotkey used the window. */
  async foreign(intent: WeightIntent, block: BlockNumber): Promise<WeightOutcome> {
    const { ledger, metrics, logger } = this.#components;
    const { id, roundId, tempo } = intent;
    await ledger.intents.transition(id, "foreign", { block });
    await ledger.events.append({ kind: "weights_foreign", block, fields: { roundId, tempo } });
    metrics.setWeights.inc({ result: "foreign" });
    metrics.setWeightsSuccess.set(0);
    const facts = { block, round: roundId, tempo };
    logger.error("Weights of our hotkey were set that we did not set; another process signs with it", facts);
    return { intentId: id, state: "foreign" };
  }

  /** The commit is final, its epoch of reveal is over or the chain dropped it, and `Weights` shows something else. */
  async revealLost(intent: WeightIntent, block: BlockNumber): Promise<WeightOutcome> {
    const { metrics, logger } = this.#components;
    await this.#fail(intent, "reveal_lost");
    metrics.setWeights.inc({ result: "reveal_lost" });
    metrics.setWeightsSuccess.set(0);
    const facts = { round: intent.roundId, committed: intent.block, block };
    logger.error("Committed weights were not revealed; the next window repairs them", facts);
    return { intentId: intent.id, state: "reveal_lost" };
  }

  /** Ours landed, and the chain holds something else: an alarm. The window is used. */
  async notVerified(intent: WeightIntent, block: BlockNumber): Promise<WeightOutcome> {
    const { metrics, logger } = this.#components;
    const { id, roundId, extrinsicHash } = intent;
    await this.#fail(intent, "not_verified");
    metrics.setWeights.inc({ result: "not_verified" });
    metrics.setWeightsSuccess.set(0);
    const error = new EvaluatorError(
      EvaluatorErrorCode.WeightsNotVerified,
      "The weights on chain are not the ones we set",
      { fields: { intentId: id, block, extrinsicHash } },
    );
    const facts = { round: roundId, block };
    logger.error("Weights on chain differ from the intended ones; the next window repairs them", facts, error);
    return { intentId: id, state: "not_verified" };
  }

  async #fail({ id, roundId, tempo, reason: waitedFor }: WeightIntent, reason: IntentReason): Promise<void> {
    const { chain, ledger } = this.#components;
    await ledger.intents.transition(id, "failed", { reason });
    const waited = waitedFor === null ? {} : { waited_for: waitedFor };
    await ledger.events.append({
      kind: "weights_not_set",
      block: chain.head().number,
      fields: { roundId, tempo, reason, ...waited },
    });
  }
}

/** The first reason for which a plan has to be made anew; null when it still fits. */
export function outdatedReason(codes: readonly string[]): OutdatedReason | null {
  return OUTDATED.find((code) => codes.includes(code)) ?? null;
}

/** Whether a failed intent left its window unused, so that another attempt may take it. */
export function isRetried({ state, reason }: WeightIntent): boolean {
  return state === "failed" && (reason === "expired" || outdatedReason([reason ?? ""]) !== null);
}

/** How an intent ended before; null while it is open. */
export function endingOf({ id: intentId, state, reason }: WeightIntent): WeightOutcome | null {
  if (state === "verified" || state === "foreign") return { intentId, state };
  if (state !== "failed") return null;
  if (reason === "superseded" || reason === "reveal_lost" || reason === "not_verified") {
    return { intentId, state: reason };
  }
  return { intentId, state: outdatedReason([reason ?? ""]) === null ? "expired" : "outdated" };
}

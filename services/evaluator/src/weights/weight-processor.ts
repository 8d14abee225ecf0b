import { blockReached } from "@assay/chain/block-reached";
import type { BlockNumber } from "@assay/core/units";
import type { WeightIntent } from "@assay/ledger/intents";
import type { WeightOutcome } from "@assay/runtime/queue/job-outcomes";
import type { ReceivedJob } from "@assay/runtime/queue/worker";
import { HiddenWeightSender } from "./hidden-weights.ts";
import { sendCall } from "./send-call.ts";
import { endingOf, type WeightComponents, WeightEndings } from "./weight-endings.ts";
import { areWeightsStored, weightStanding } from "./weight-standing.ts";

/**
 * Brings one weight intent to the chain, and reads it back.
 *
 * Safe to repeat and to be killed anywhere: before anything is sent, the chain is asked whether it is there already.
 * Ends with `verified` only when the chain's storage, at a final block, equals the intent. Where the subnet hides
 * weights it ends with `committed`: the reveal comes epochs later, and {@link RevealWatch} looks after it.
 */
export function createWeightProcessor(components: WeightComponents) {
  const { chain, ledger, logger } = components;
  const endings = new WeightEndings(components);
  const hidden = new HiddenWeightSender(components);

  return async function bringWeightsToChain(
    { payload: { intentId } }: ReceivedJob<"weights">,
    signal: AbortSignal,
  ): Promise<WeightOutcome> {
    const intent = await ledger.intents.get(intentId);
    if (intent === null) throw new Error(`No weight intent ${intentId}`);
    if (intent.state === "committed" || intent.state === "revealed") return await reveal(intent, signal);
    let outcome = endingOf(intent) ?? (await hidden.resume(intent, signal));
    while (outcome === null) outcome = await advance(intent, signal);
    return outcome;
  };

  async function reveal(intent: WeightIntent, signal: AbortSignal): Promise<WeightOutcome> {
    const commit = await ledger.reveals.latest(intent.id);
    if (commit?.way === "hashed") await hidden.reveal(intent, commit, signal);
    return { intentId: intent.id, state: "committed" };
  }

  /** The next thing to do for an intent; null when it has to be looked at again. */
  async function advance(intent: WeightIntent, signal: AbortSignal): Promise<WeightOutcome | null> {
    const rules = await chain.weightRules(intent.netuid, chain.head().hash);
    const standing = await weightStanding(intent, chain, rules.way);
    if (standing.kind === "on_chain") {
      return await endings.confirm(intent, standing.block, intent.extrinsicHash ?? "");
    }
    if (standing.kind === "landing") {
      await blockReached(chain, chain.head().number + 1, signal);
      return null;
    }
    if (await isSuperseded(intent)) return await endings.giveUp(intent, "superseded");
    if (chain.head().number >= intent.deadlineBlock) return await endings.giveUp(intent, "expired");
    if (standing.kind === "rate_limited") {
      await waitForRateLimit(intent, standing.until, signal);
      return null;
    }
    return rules.way === "plain" ? await send(intent, signal) : await hidden.commit(intent, rules, signal);
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
    const call = { kind: "set_weights", netuid, uids, weights, versionKey } as const;
    const receipt = await sendCall(intent, call, components, { signal, deadlineBlock });
    await ledger.intents.transition(id, "finalised", { block: receipt.block, extrinsicHash: receipt.hash });
    if (await areWeightsStored(intent, chain, receipt.blockHash)) {
      return await endings.confirm(intent, receipt.block, receipt.hash);
    }
    throw await endings.notVerified(intent, receipt);
  }
}

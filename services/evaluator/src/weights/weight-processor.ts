import { blockReached } from "@assay/chain/block-reached";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import { weightObstacleOf } from "@assay/chain/weight-obstacle";
import type { WeightIntent } from "@assay/ledger/weight-intent";
import type { WeightOutcome } from "@assay/runtime/queue/job-outcomes";
import type { ReceivedJob } from "@assay/runtime/queue/worker";
import { HiddenWeightSender } from "./hidden-weights.ts";
import { hasNotLanded, sendCall, sendDeadline } from "./send-call.ts";
import { SetsUnderWay } from "./sets-under-way.ts";
import type { WeightComponents, WeightOptions } from "./weight-components.ts";
import { endingOf, outdatedReason, WeightEndings } from "./weight-endings.ts";
import { WeightGate } from "./weight-gate.ts";
import { areWeightsStored, type WeightStanding, weightStanding } from "./weight-standing.ts";
import { readWeightView, type WeightView } from "./weight-view.ts";

/**
 * Brings one weight intent to the chain, and reads it back.
 *
 * Safe to repeat and to be killed anywhere: before anything is sent, the chain is asked whether the window has its
 * weights already. Nothing is sent while something stands in the way: the job ends as `waiting`, and is asked for again
 * at the next block. Ends with `verified` only when the chain's storage, at a final block, equals the intent. Where the
 * subnet hides weights it ends with `committed`: the reveal comes epochs later, and {@link RevealWatch} looks after it.
 */
export function createWeightProcessor(components: WeightComponents, options: WeightOptions) {
  const courier = new WeightCourier(components, options);
  return ({ payload: { intentId } }: ReceivedJob<"weights">, signal: AbortSignal): Promise<WeightOutcome> =>
    courier.bring(intentId, signal);
}

class WeightCourier {
  readonly #components: WeightComponents;
  readonly #endings: WeightEndings;
  readonly #gate: WeightGate;
  readonly #hidden: HiddenWeightSender;
  readonly #underWay: SetsUnderWay;

  constructor(components: WeightComponents, options: WeightOptions) {
    this.#components = components;
    this.#endings = new WeightEndings(components);
    this.#gate = new WeightGate(components, options);
    this.#hidden = new HiddenWeightSender(components);
    this.#underWay = new SetsUnderWay(components);
  }

  async bring(intentId: string, signal: AbortSignal): Promise<WeightOutcome> {
    const intent = await this.#read(intentId);
    if (intent.state === "committed" || intent.state === "revealed") return await this.#reveal(intent, signal);
    try {
      let outcome = endingOf(intent) ?? (await this.#hidden.resume(intent, signal));
      while (outcome === null) outcome = await this.#advance(await this.#read(intentId), signal);
      return outcome;
    } catch (error) {
      // A submission was given up while the process goes on: then an operator stopped the weights.
      const ours = isGivenUp(error, signal) ? await this.#gate.ownObstacles() : [];
      if (ours.length === 0) throw error;
      return await this.#wait(intent, ours);
    }
  }

  async #read(intentId: string): Promise<WeightIntent> {
    const intent = await this.#components.ledger.intents.get(intentId);
    if (intent === null) throw new Error(`No weight intent ${intentId}`);
    return intent;
  }

  async #reveal(intent: WeightIntent, signal: AbortSignal): Promise<WeightOutcome> {
    const commit = await this.#components.ledger.reveals.latest(intent.id);
    const [inTheWay] = await this.#gate.ownObstacles();
    if (commit?.way === "hashed" && inTheWay === undefined) await this.#hidden.reveal(intent, commit, signal);
    return { intentId: intent.id, state: "committed" };
  }

  /** The next thing to do for an intent; null when it has to be looked at again. */
  async #advance(intent: WeightIntent, signal: AbortSignal): Promise<WeightOutcome | null> {
    const { chain } = this.#components;
    const view = await this.#lookAtChain(intent);
    if (!("rules" in view)) return view;
    const standing = await weightStanding(intent, chain, view);
    if (standing.kind === "unset") return await this.#set(intent, view, signal);
    if (standing.kind !== "landing") return await this.#end(intent, standing);
    await blockReached(chain, chain.head().number + 1, signal);
    return null;
  }

  /** What the newest block says, or the outcome when it says that there is nothing to set weights on. */
  async #lookAtChain(intent: WeightIntent): Promise<WeightView | WeightOutcome> {
    const { chain } = this.#components;
    try {
      return await readWeightView(chain, intent.netuid);
    } catch (error) {
      const obstacle = weightObstacleOf(error);
      if (obstacle === null) throw error;
      if (chain.head().number >= intent.deadlineBlock) return await this.#endings.giveUp(intent, "expired");
      return await this.#wait(intent, [obstacle]);
    }
  }

  async #end(
    intent: WeightIntent,
    standing: Exclude<WeightStanding, { readonly kind: "unset" | "landing" }>,
  ): Promise<WeightOutcome> {
    switch (standing.kind) {
      case "on_chain":
        return await this.#endings.confirm(intent, standing.block, intent.extrinsicHash ?? "");
      case "differs":
        return await this.#endings.notVerified(intent, standing.block);
      case "foreign":
        return await this.#endings.foreign(intent, standing.block);
      case "overtaken":
        return await this.#endings.giveUp(intent, "superseded");
    }
  }

  async #set(intent: WeightIntent, view: WeightView, signal: AbortSignal): Promise<WeightOutcome | null> {
    if (await this.#underWay.some()) return { intentId: intent.id, state: "waiting" };
    if (await this.#isSuperseded(intent)) return await this.#endings.giveUp(intent, "superseded");
    if (isOver(intent, view)) return await this.#endings.giveUp(intent, "expired");
    const obstacles = await this.#gate.obstacles(intent, view);
    const outdated = outdatedReason(obstacles.map(({ code }) => code));
    if (outdated !== null) return await this.#endings.outdated(intent, outdated);
    if (obstacles.length > 0) return await this.#wait(intent, obstacles);
    await this.#gate.note(intent, []);
    return view.rules.way === "plain"
      ? await this.#send(intent, view, signal)
      : await this.#hidden.commit(intent, view, signal);
  }

  async #wait(intent: WeightIntent, obstacles: Parameters<WeightGate["note"]>[1]): Promise<WeightOutcome> {
    await this.#gate.note(intent, obstacles);
    return { intentId: intent.id, state: "waiting" };
  }

  /** Only of an intent that was planned by rounds: those of tempos end with theirs. */
  async #isSuperseded({ id, tempo }: WeightIntent): Promise<boolean> {
    return tempo === null && (await this.#components.ledger.intents.latest())?.id !== id;
  }

  async #send(intent: WeightIntent, view: WeightView, signal: AbortSignal): Promise<WeightOutcome | null> {
    const { chain, ledger } = this.#components;
    const { id, netuid, uids, weights, versionKey } = intent;
    const call = { kind: "set_weights", netuid, uids, weights, versionKey } as const;
    const signed: string[] = [];
    const onSigned = (hash: string) => void signed.push(hash);
    const options = { signal, deadlineBlock: sendDeadline(intent, chain, view), onSigned };
    const receipt = await sendCall(intent, call, this.#components, options).catch((error: unknown) => {
      if (hasNotLanded(error)) this.#underWay.end(signed);
      // No block has it or will: what came between says whether there is still something to set.
      if (error instanceof ChainError && error.code === ChainErrorCode.ExtrinsicDeadline) return null;
      throw error;
    });
    if (receipt === null) return null;
    const landed = { block: receipt.block, extrinsicHash: receipt.hash };
    const sent = await ledger.intents.transition(id, "finalised", landed);
    return (await areWeightsStored(sent, chain, receipt.blockHash))
      ? await this.#endings.confirm(sent, receipt.block, receipt.hash)
      : await this.#endings.notVerified(sent, receipt.block);
  }
}

function isOver({ tempo, deadlineBlock }: WeightIntent, { rules }: WeightView): boolean {
  return rules.block >= deadlineBlock || (tempo !== null && rules.epoch.index > tempo);
}

function isGivenUp(error: unknown, signal: AbortSignal): boolean {
  return !signal.aborted && error instanceof ChainError && error.code === ChainErrorCode.SubmissionAborted;
}

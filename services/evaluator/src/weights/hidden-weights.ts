import { randomBytes } from "node:crypto";
import { blockReached } from "@assay/chain/block-reached";
import type { ChainCall } from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import { timelock } from "@assay/chain/timelock/timelock";
import {
  encodeWeightPayload,
  type HiddenWeights,
  timelockedCommitHash,
  weightCommitHash,
} from "@assay/chain/timelock/weight-payload";
import { revealRound, type WeightRules } from "@assay/chain/weight-rules";
import type { BlockNumber } from "@assay/core/units";
import { LEAST_WINDOW_BLOCKS } from "@assay/core/weights/window";
import type { SentCommit, WeightCommit } from "@assay/ledger/reveals";
import type { WeightIntent } from "@assay/ledger/weight-intent";
import type { WeightOutcome } from "@assay/runtime/queue/job-outcomes";
import { commitStanding } from "./commit-standing.ts";
import { hasNotLanded, sendCall, sendDeadline } from "./send-call.ts";
import type { WeightComponents } from "./weight-components.ts";
import type { WeightView } from "./weight-view.ts";

/** A commit that no block takes for so long is made anew: its fate is known then. */
const COMMIT_BLOCKS = 32;
/** Numbers of a salt; 128 bits are beyond guessing. */
const SALT_LENGTH = 8;

/** A commit, and the call that brings it to the chain. */
interface PreparedCommit {
  readonly call: ChainCall;
  readonly sent: SentCommit;
}

/** Brings weights to a chain that hides them: the commit, and with hashes the reveal. */
export class HiddenWeightSender {
  readonly #components: WeightComponents;

  constructor(components: WeightComponents) {
    this.#components = components;
  }

  /**
   * What became of a commit that was sent earlier; null when there is none that is or can come on chain.
   *
   * The chain alone decides, never what we remember of sending: this is what makes a kill at any point harmless.
   */
  async resume(intent: WeightIntent, signal: AbortSignal): Promise<WeightOutcome | null> {
    const { chain, ledger } = this.#components;
    for (;;) {
      const commit = await ledger.reveals.latest(intent.id);
      if (commit === null || commit.state === "gone") return null;
      const standing = await commitStanding(intent, commit, chain);
      if (commit.state === "landed" || standing.kind === "landed") {
        const block = standing.kind === "landed" ? standing.block : (intent.block ?? commit.deadlineBlock);
        return await this.#committed(intent, commit, { block, extrinsicHash: intent.extrinsicHash });
      }
      if (standing.kind === "gone") await ledger.reveals.settle(commit, "gone");
      else await blockReached(chain, chain.head().number + 1, signal);
    }
  }

  /** Commits in this epoch; null when it did not land and has to be made anew. */
  async commit(intent: WeightIntent, view: WeightView, signal: AbortSignal): Promise<WeightOutcome | null> {
    const { chain, ledger } = this.#components;
    const { rules } = view;
    // A commit must land in the epoch it was made for: with its last blocks none is begun.
    if (rules.epoch.nextBlock - rules.block <= LEAST_WINDOW_BLOCKS) {
      await blockReached(chain, Math.min(rules.epoch.nextBlock, intent.deadlineBlock), signal);
      return null;
    }
    const { call, sent } = this.#prepare(intent, view);
    const commit = await ledger.reveals.record(sent);
    try {
      const receipt = await sendCall(intent, call, this.#components, { signal, deadlineBlock: sent.deadlineBlock });
      return await this.#committed(intent, commit, { block: receipt.block, extrinsicHash: receipt.hash });
    } catch (error) {
      if (!hasNotLanded(error)) throw error;
      await ledger.reveals.settle(commit, "gone");
      if (error.code === ChainErrorCode.ExtrinsicDeadline) return null;
      throw error;
    }
  }

  /**
   * Shows weights that were committed by hash, in the one epoch in which the chain takes them. What came of it is the
   * {@link RevealWatch}'s to say: two who confirm would count twice.
   */
  async reveal(intent: WeightIntent, commit: WeightCommit, signal: AbortSignal): Promise<void> {
    const { chain } = this.#components;
    const { netuid, uids, weights, versionKey } = intent;
    const { epoch } = await chain.weightRules(netuid, chain.head().hash);
    if (epoch.index !== commit.revealEpoch) return;
    const call: ChainCall = { kind: "reveal_weights", netuid, uids, weights, versionKey, salt: commit.salt };
    await chain.submit(call, { signal, deadlineBlock: epoch.nextBlock - 1 });
  }

  #prepare(intent: WeightIntent, view: WeightView): PreparedCommit {
    const { chain } = this.#components;
    const { rules } = view;
    const { netuid, uids, weights, versionKey } = intent;
    if (chain.hotkey === null) throw new ChainError(ChainErrorCode.NoSigner, "This chain client cannot sign");
    const hidden: HiddenWeights = { hotkey: chain.hotkey, uids, weights, versionKey };
    const { call, ...way } = rules.way === "timelocked" ? locked(hidden, netuid, rules) : hashed(hidden, netuid);
    const epoch = rules.epoch.index;
    const revealEpoch = epoch + rules.revealPeriodEpochs;
    const deadlineBlock = Math.min(sendDeadline(intent, chain, view), rules.block + COMMIT_BLOCKS);
    return { call, sent: { intentId: intent.id, ...way, epoch, revealEpoch, sentBlock: rules.block, deadlineBlock } };
  }

  async #committed(
    intent: WeightIntent,
    commit: WeightCommit,
    { block, extrinsicHash }: { readonly block: BlockNumber; readonly extrinsicHash: string | null },
  ): Promise<WeightOutcome> {
    const { ledger, logger } = this.#components;
    await ledger.reveals.settle(commit, "landed");
    await ledger.intents.transition(intent.id, "committed", {
      block,
      ...(extrinsicHash !== null && { extrinsicHash }),
    });
    const facts = { block, tx: extrinsicHash ?? "", round: intent.roundId, reveal_epoch: commit.revealEpoch };
    logger.info("Committed weights", facts);
    return { intentId: intent.id, state: "committed" };
  }
}

type PreparedWay = Pick<SentCommit, "way" | "hash" | "salt"> & { readonly call: ChainCall };

function locked(hidden: HiddenWeights, netuid: number, rules: WeightRules): PreparedWay {
  const { beacon } = rules;
  if (beacon === null) throw new RangeError("Weights cannot be time-locked without a beacon");
  const round = revealRound(rules, beacon);
  const commit = timelock(encodeWeightPayload(hidden), round, beacon);
  const call: ChainCall = { kind: "commit_timelocked_weights", netuid, commit, revealRound: round };
  return { way: "timelocked", hash: timelockedCommitHash(commit), salt: [], call };
}

function hashed(hidden: HiddenWeights, netuid: number): PreparedWay {
  const salt = [...new Uint16Array(Uint8Array.from(randomBytes(2 * SALT_LENGTH)).buffer)];
  const hash = weightCommitHash(hidden, { netuid, salt });
  return { way: "hashed", hash, salt, call: { kind: "commit_weights", netuid, commitHash: hash } };
}

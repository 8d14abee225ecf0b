import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import type { Signer } from "@assay/chain/hotkey";
import type { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";
import { type CommitmentPayload, encodeCommitment, parseCommitment } from "@assay/core/commitment/payload";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import { committedHashMessage } from "@assay/core/messages/block-message";
import type { Network } from "@assay/core/network";
import { committedRoot } from "@assay/core/receipts/bundle";
import type { ChainCommitment } from "@assay/core/round/snapshot";
import type { BlockHash, Netuid } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Duty } from "../cycle/duty.ts";
import { EvaluatorError, EvaluatorErrorCode } from "../evaluator-error.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import { type DueCommitment, dueCommitments, TOOK_NO_PART } from "./due-commitments.ts";
import { ownCommitment } from "./own-commitment.ts";

export interface CommitmentDutyComponents {
  readonly chain: ChainClient;
  readonly signer: Signer;
  readonly ledger: Ledger;
  readonly store: Pick<CheckpointReader, "current">;
  /** Whether it makes sense to sign now; the duty rests until it does. */
  readonly maySign: () => boolean;
  readonly metrics: Pick<EvaluatorMetrics, "commitments">;
  readonly logger: Logger;
}

export interface CommitmentDutyOptions {
  readonly netuid: Netuid;
  readonly network: Network;
}

/**
 * Puts the merged version's digest on chain in the two validator phases: first its signature, which tells nobody the
 * digest, then the digest itself; version 0 after a merge of others that gave us nothing to publish. Each is read back at a final block; each only makes sense inside its own phase.
 */
export class CommitmentDuty implements Duty {
  readonly name = "commitments";
  readonly #components: CommitmentDutyComponents;
  readonly #options: CommitmentDutyOptions;

  constructor(components: CommitmentDutyComponents, options: CommitmentDutyOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead, signal: AbortSignal): Promise<void> {
    for (const due of await dueCommitments(this.#components, this.#options.network, head)) {
      if (head.number <= due.window.lastBlock) await this.#commit(due, head, signal);
      else await this.#lookBack(due, head);
    }
  }

  async #commit(due: DueCommitment, head: ChainHead, signal: AbortSignal): Promise<void> {
    const { chain, maySign } = this.#components;
    const final = await this.#ownCommitment(due, chain.finalizedHead().hash);
    if (final !== null) return await this.#done(due, final, "");
    // Sent by a process that was killed meanwhile: it becomes final by itself.
    if ((await this.#ownCommitment(due, head.hash)) !== null) return;
    if (!maySign()) return;
    const receipt = await chain.submit(
      { kind: "set_commitment", netuid: this.#options.netuid, bytes: await this.#payload(due) },
      { signal, deadlineBlock: due.window.lastBlock },
    );
    const stored = await this.#ownCommitment(due, receipt.blockHash);
    if (stored !== null) return await this.#done(due, stored, receipt.hash);
    throw new EvaluatorError(EvaluatorErrorCode.CommitmentNotVerified, "The commitment on chain is not ours", {
      retryable: true,
      fields: { step: due.step, cycle: due.merge.cycle },
    });
  }

  /** After the phase the chain says, as of the phase's end, whether we made it. */
  async #lookBack(due: DueCommitment, head: ChainHead): Promise<void> {
    const { chain, ledger, metrics, logger } = this.#components;
    const { step, merge, window } = due;
    const hash = await chain.finalizedBlockHash(window.lastBlock);
    if (hash === null) return;
    const stored = await this.#ownCommitment(due, hash).catch(nothingIfDiscarded);
    if (stored !== null) return await this.#done(due, stored, "");
    await ledger.events.append({ kind: "commitment_missed", block: head.number, fields: { step, cycle: merge.cycle } });
    await ledger.steps.mark(merge.cycle, step, { block: head.number });
    metrics.commitments.inc({ step, result: "missed" });
    logger.warn("Commitment missed: its phase is over", { step, cycle: merge.cycle, version: merge.version });
  }

  async #done({ step, merge }: DueCommitment, { bytes, block }: ChainCommitment, extrinsicHash: string): Promise<void> {
    const { ledger, metrics, logger } = this.#components;
    const { cycle, version } = merge;
    await ledger.commitments.record({
      cycle,
      step,
      bytesHex: Buffer.from(bytes).toString("hex"),
      block,
      extrinsicHash,
    });
    await ledger.steps.mark(cycle, step, { block });
    metrics.commitments.inc({ step, result: "committed" });
    logger.info(step === "validatorCommit1" ? "Committed signed model hash" : "Committed model hash", {
      cycle,
      version,
      block,
    });
  }

  async #payload({ step, merge: { digest, version } }: DueCommitment): Promise<Uint8Array> {
    if (step === "validatorCommit2") {
      const bundle = await this.#components.ledger.receipts.newest();
      const root = bundle === null ? {} : { receipts: committedRoot(bundle.root) };
      return encodeCommitment({ hash: digest, version, ...root }, "validator");
    }
    const signature = this.#components.signer.sign(committedHashMessage(digest));
    return encodeCommitment({ signature: encodeBase64Url(signature) }, "validator");
  }

  /**
   * Our commitment of this step as stored at a block; null when there is none.
   *
   * Signatures differ each time, so what counts for the first step is that one of ours was made in this phase.
   */
  async #ownCommitment(due: DueCommitment, at: BlockHash): Promise<ChainCommitment | null> {
    const { firstBlock, lastBlock } = due.window;
    const own = await ownCommitment(this.#components.chain, this.#options.netuid, at);
    if (own === null || own.block < firstBlock || own.block > lastBlock) return null;
    const parsed = parseCommitment(own.bytes);
    return parsed.ok && isMeant(parsed.value, due) ? own : null;
  }
}

/**
 * The root of receipts beside the hash may be an older or a newer one; beside version 0 the hash too, as we may have
 * another version by now.
 */
function isMeant({ signature, hash, version }: CommitmentPayload, { step, merge }: DueCommitment): boolean {
  if (step === "validatorCommit1") return signature !== undefined;
  return version === merge.version && (version === TOOK_NO_PART || hash === merge.digest);
}

/** A node that has pruned that block cannot tell any more: then it counts as missed. */
function nothingIfDiscarded(error: unknown): null {
  if (error instanceof ChainError && error.code === ChainErrorCode.StateDiscarded) return null;
  throw error;
}

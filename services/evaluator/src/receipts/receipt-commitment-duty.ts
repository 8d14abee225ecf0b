import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import { encodeCommitment, parseCommitment } from "@assay/core/commitment/payload";
import { phaseAt } from "@assay/core/cycle/phase";
import type { Network } from "@assay/core/network";
import { committedRoot } from "@assay/core/receipts/bundle";
import type { ChainCommitment } from "@assay/core/round/snapshot";
import type { BlockHash, Netuid } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { BundleNote } from "@assay/ledger/receipts";
import type { Logger } from "@assay/runtime/logging/logger";
import { ownCommitment } from "../commitments/own-commitment.ts";
import type { Duty } from "../cycle/duty.ts";
import { EvaluatorError, EvaluatorErrorCode } from "../evaluator-error.ts";
import type { EvaluatorMetrics } from "../metrics.ts";

/** Under this a cycle's root is marked as committed. */
export const RECEIPTS_COMMITTED_STEP = "receiptsCommitted";

/** In these phases the chain holds what others read at the phase's end: the root goes along in the second, or waits. */
const OTHERS_READ = ["validatorCommit1", "validatorCommit2"];

/** Blocks in which the root of a bundle is to land. */
const COMMIT_BLOCKS = 20;

export interface ReceiptCommitmentComponents {
  readonly chain: ChainClient;
  readonly ledger: Ledger;
  /** Whether it makes sense to sign now; the duty rests until it does. */
  readonly maySign: () => boolean;
  readonly metrics: Pick<EvaluatorMetrics, "commitments">;
  readonly logger: Logger;
}

export interface ReceiptCommitmentOptions {
  readonly netuid: Netuid;
  readonly network: Network;
}

/**
 * Puts the root of the newest bundle on chain as soon as there is one, beside the hash and version that stand there.
 *
 * Each bundle names the one before, so whatever newer root the chain holds binds the older bundles too: only the newest
 * is committed.
 */
export class ReceiptCommitmentDuty implements Duty {
  readonly name = "receipt-commitments";
  readonly #components: ReceiptCommitmentComponents;
  readonly #options: ReceiptCommitmentOptions;

  constructor(components: ReceiptCommitmentComponents, options: ReceiptCommitmentOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead, signal: AbortSignal): Promise<void> {
    const { chain, ledger, maySign } = this.#components;
    const newest = await ledger.receipts.newest();
    if (newest === null || (await ledger.steps.done(newest.cycle, RECEIPTS_COMMITTED_STEP))) return;
    const final = await this.#committed(newest, chain.finalizedHead().hash);
    if (final !== null) return await this.#done(newest, final);
    if ((await this.#committed(newest, head.hash)) !== null) return;
    const { phase, lastBlock } = phaseAt(head.number, this.#options.network.schedule);
    if (OTHERS_READ.includes(phase) || lastBlock === head.number || !maySign()) return;
    const receipt = await chain.submit(
      { kind: "set_commitment", netuid: this.#options.netuid, bytes: await this.#payload(newest, head.hash) },
      { signal, deadlineBlock: Math.min(lastBlock, head.number + COMMIT_BLOCKS) },
    );
    const stored = await this.#committed(newest, receipt.blockHash);
    if (stored !== null) return await this.#done(newest, stored);
    throw new EvaluatorError(EvaluatorErrorCode.CommitmentNotVerified, "The receipts' root on chain is not ours", {
      retryable: true,
      fields: { cycle: newest.cycle },
    });
  }

  /** The hash and version that stand there stay: others read them. */
  async #payload({ root }: NewestBundle, at: BlockHash): Promise<Uint8Array> {
    const own = await this.#own(at);
    const parsed = own === null ? null : parseCommitment(own.bytes);
    const { hash, version } = parsed?.ok === true ? parsed.value : {};
    const held = { ...(hash !== undefined && { hash }), ...(version !== undefined && { version }) };
    return encodeCommitment({ ...held, receipts: committedRoot(root) }, "validator");
  }

  /** Our commitment at a block if it holds the bundle's root. */
  async #committed({ root }: NewestBundle, at: BlockHash): Promise<ChainCommitment | null> {
    const own = await this.#own(at);
    const parsed = own === null ? null : parseCommitment(own.bytes);
    return parsed?.ok === true && parsed.value.receipts === committedRoot(root) ? own : null;
  }

  #own(at: BlockHash): Promise<ChainCommitment | null> {
    return ownCommitment(this.#components.chain, this.#options.netuid, at);
  }

  async #done({ cycle, root }: NewestBundle, { bytes, block }: ChainCommitment): Promise<void> {
    const { ledger, metrics, logger } = this.#components;
    const bytesHex = Buffer.from(bytes).toString("hex");
    await ledger.commitments.record({ cycle, step: RECEIPTS_COMMITTED_STEP, bytesHex, block, extrinsicHash: "" });
    await ledger.steps.mark(cycle, RECEIPTS_COMMITTED_STEP, { block });
    metrics.commitments.inc({ step: RECEIPTS_COMMITTED_STEP, result: "committed" });
    logger.info("Committed root of receipts", { cycle, block, root: root.slice(0, 12) });
  }
}

type NewestBundle = Pick<BundleNote, "cycle" | "root">;

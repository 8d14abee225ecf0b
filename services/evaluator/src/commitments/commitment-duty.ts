import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import type { Signer } from "@assay/chain/hotkey";
import { encodeCommitment } from "@assay/core/commitment/payload";
import { type PhaseWindow, phaseAt, phaseWindow } from "@assay/core/cycle/phase";
import { encodeBase64Url } from "@assay/core/messages/base64url";
import { committedHashMessage } from "@assay/core/messages/block-message";
import type { Network } from "@assay/core/network";
import type { Netuid } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { MergeRecord } from "@assay/ledger/merges";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Duty } from "../cycle/duty.ts";
import { EvaluatorError, EvaluatorErrorCode } from "../evaluator-error.ts";

export interface CommitmentDutyComponents {
  readonly chain: ChainClient;
  readonly signer: Signer;
  readonly ledger: Ledger;
  readonly logger: Logger;
}

export interface CommitmentDutyOptions {
  readonly netuid: Netuid;
  readonly network: Network;
}

type CommitmentStep = "validatorCommit1" | "validatorCommit2";

/**
 * Puts the merged version's digest on chain in the two validator phases: first its signature, which tells nobody the
 * digest, then the digest itself. Each is read back; each only makes sense inside its own phase.
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
    const { ledger } = this.#components;
    const { cycle, phase } = phaseAt(head.number, this.#options.network.schedule);
    if (phase !== "validatorCommit1" && phase !== "validatorCommit2") return;
    if (await ledger.steps.done(cycle, phase)) return;
    const merge = await ledger.merges.get(cycle);
    if (merge === null) return;
    await this.#commit(phase, merge, phaseWindow(cycle, phase, this.#options.network.schedule), signal);
  }

  async #commit(step: CommitmentStep, merge: MergeRecord, window: PhaseWindow, signal: AbortSignal): Promise<void> {
    const { chain, ledger, logger } = this.#components;
    const { cycle, version } = merge;
    if (!(await this.#isOnChain(step, merge, chain.head().hash, window))) {
      const bytes = this.#payload(step, merge);
      const receipt = await chain.submit(
        { kind: "set_commitment", netuid: this.#options.netuid, bytes },
        { signal, deadlineBlock: window.lastBlock },
      );
      if (!(await this.#isOnChain(step, merge, receipt.blockHash, window))) {
        throw new EvaluatorError(EvaluatorErrorCode.CommitmentNotVerified, "The commitment on chain is not ours", {
          retryable: true,
          fields: { step, cycle },
        });
      }
      const { block, hash: extrinsicHash } = receipt;
      await ledger.commitments.record({
        cycle,
        step,
        bytesHex: Buffer.from(bytes).toString("hex"),
        block,
        extrinsicHash,
      });
    }
    await ledger.steps.mark(cycle, step, { block: chain.head().number });
    logger.info(step === "validatorCommit1" ? "Committed signed model hash" : "Committed model hash", {
      cycle,
      version,
    });
  }

  #payload(step: CommitmentStep, { digest, version }: MergeRecord): Uint8Array {
    if (step === "validatorCommit2") return encodeCommitment({ hash: digest, version }, "validator");
    const signature = this.#components.signer.sign(committedHashMessage(digest));
    return encodeCommitment({ signature: encodeBase64Url(signature) }, "validator");
  }

  /** Signatures differ each time, so what counts for the first step is that ours was made in this phase. */
  async #isOnChain(step: CommitmentStep, merge: MergeRecord, at: string, window: PhaseWindow): Promise<boolean> {
    const { chain } = this.#components;
    const commitments = await chain.commitments(this.#options.netuid, at);
    const own = commitments.find((each) => each.hotkey === chain.hotkey && each.block >= window.firstBlock);
    if (own === undefined) return false;
    return step === "validatorCommit1" || Buffer.from(own.bytes).equals(Buffer.from(this.#payload(step, merge)));
  }
}

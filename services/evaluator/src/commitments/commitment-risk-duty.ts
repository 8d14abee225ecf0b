import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import type { CheckpointReader } from "@assay/checkpoint/store/checkpoint-reader";
import type { Network } from "@assay/core/network";
import type { Netuid } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Duty } from "../cycle/duty.ts";
import type { EvaluatorMetrics } from "../metrics.ts";
import { type DueCommitment, dueCommitments } from "./due-commitments.ts";

/** Blocks that one more attempt takes: one to be signed on, one to include it. */
const ATTEMPT_BLOCKS = 2;

export interface CommitmentRiskComponents {
  readonly chain: ChainClient;
  readonly ledger: Ledger;
  readonly store: Pick<CheckpointReader, "current">;
  readonly metrics: Pick<EvaluatorMetrics, "commitmentAtRisk">;
  readonly logger: Logger;
}

export interface CommitmentRiskOptions {
  readonly netuid: Netuid;
  readonly network: Network;
}

/**
 * Tells while there is still time of a commitment whose phase ends soon and that is not final.
 *
 * Soon is fewer blocks than finality takes and one more attempt: what the newest blocks hold can be forked away until
 * then, and only the blocks left could hold it anew. The warning is for one that not even the newest block holds: short
 * phases end before finality in good order. Apart from the duty that commits, which is busy waiting by then.
 */
export class CommitmentRiskDuty implements Duty {
  readonly name = "commitment-risk";
  readonly #components: CommitmentRiskComponents;
  readonly #options: CommitmentRiskOptions;
  #warned: string | null = null;

  constructor(components: CommitmentRiskComponents, options: CommitmentRiskOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead): Promise<void> {
    const { chain, metrics } = this.#components;
    const { network } = this.#options;
    const lag = head.number - chain.finalizedHead().number;
    const atRisk = (await dueCommitments(this.#components, network, head)).find(({ window }) => {
      const left = window.lastBlock - head.number;
      return left >= 0 && left < lag + ATTEMPT_BLOCKS;
    });
    metrics.commitmentAtRisk.set(atRisk === undefined ? 0 : 1);
    if (atRisk !== undefined && !(await this.#isInBlock(atRisk, head))) this.#warn(atRisk, head, lag);
  }

  async #isInBlock({ window }: DueCommitment, head: ChainHead): Promise<boolean> {
    const { chain } = this.#components;
    const { committedAt } = await chain.hotkeyTrace(this.#options.netuid, chain.hotkey ?? "", head.hash);
    return committedAt !== null && committedAt >= window.firstBlock;
  }

  #warn({ step, merge, window }: DueCommitment, head: ChainHead, lag: number): void {
    const once = `${merge.cycle} ${step}`;
    if (this.#warned === once) return;
    this.#warned = once;
    const blocks = window.lastBlock - head.number;
    const facts = { step, cycle: merge.cycle, blocks_left: blocks, finality_lag: lag };
    this.#components.logger.warn("Commitment at risk: its phase ends and no block has it", facts);
  }
}

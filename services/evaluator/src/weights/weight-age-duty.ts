import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import type { Epoch } from "@assay/chain/weight-rules";
import type { BlockNumber, Netuid } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";
import type { Duty } from "../cycle/duty.ts";
import type { EvaluatorMetrics } from "../metrics.ts";

export interface WeightAgeComponents {
  readonly chain: Pick<ChainClient, "weightRules">;
  readonly ledger: Pick<Ledger, "verifiedWeights">;
  readonly metrics: Pick<EvaluatorMetrics, "temposSinceVerifiedWeights">;
}

export interface WeightAgeOptions {
  readonly netuid: Netuid;
  /** After so long without a block nobody knows how many epochs have begun. */
  readonly silenceMillis: number;
}

/** Counts the epochs since our weights were last seen on chain as intended, from the ledger, so restarts change nothing. */
export class WeightAgeDuty implements Duty {
  readonly name = "weight-age";
  readonly #components: WeightAgeComponents;
  readonly #options: WeightAgeOptions;
  /** The running epoch, read once for each. */
  #epoch: Epoch | null = null;
  #shownAt: BlockNumber | null = null;

  constructor(components: WeightAgeComponents, options: WeightAgeOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead): Promise<void> {
    const { chain, ledger, metrics } = this.#components;
    const { netuid, silenceMillis } = this.#options;
    // Asked again without a new block, it knows nothing newer.
    if (this.#shownAt === head.number) return;
    const verified = await ledger.verifiedWeights.newestBlock();
    if (verified === null) return;
    if (this.#epoch === null || head.number >= this.#epoch.nextBlock) {
      this.#epoch = (await chain.weightRules(netuid, head.hash)).epoch;
    }
    const value = temposSince(verified, this.#epoch);
    metrics.temposSinceVerifiedWeights.show(value, { forMillis: silenceMillis });
    this.#shownAt = head.number;
  }
}

/** Epochs that began after a block, all as long as the running one. */
export function temposSince(block: BlockNumber, { nextBlock, blocks }: Epoch): number {
  const runningSince = nextBlock - blocks;
  return Math.max(0, Math.ceil((runningSince - block) / blocks));
}

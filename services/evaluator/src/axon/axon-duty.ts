import { isSameAxon } from "@assay/chain/axon";
import type { ChainClient, ChainHead } from "@assay/chain/chain-client";
import { ChainError, ChainErrorCode } from "@assay/chain/chain-error";
import type { Axon, Neuron } from "@assay/core/round/snapshot";
import type { BlockHash, BlockNumber, Netuid } from "@assay/core/units";
import type { Logger } from "@assay/runtime/logging/logger";
import type { Duty } from "../cycle/duty.ts";
import { EvaluatorError, EvaluatorErrorCode } from "../evaluator-error.ts";
import type { EvaluatorMetrics } from "../metrics.ts";

/** Blocks between two looks while the chain holds our axon, and between two tries while it takes none: 2 min on finney. */
const LOOK_EVERY_BLOCKS = 10;

/** Blocks in which a call is to land. */
const SERVE_BLOCKS = 20;

export interface AxonComponents {
  readonly chain: ChainClient;
  /** Whether it makes sense to sign now; the duty rests until it does. */
  readonly maySign: () => boolean;
  readonly metrics: Pick<EvaluatorMetrics, "axonCalls">;
  readonly logger: Logger;
}

export interface AxonOptions {
  readonly netuid: Netuid;
  /** Where others are to find our model server; null when nothing is to be served. */
  readonly axon: Axon | null;
}

/**
 * Keeps on chain where miners and peers find our model server, and puts it there again when it is gone or another one,
 * as after a new registration.
 *
 * The chain takes an axon of one hotkey every `ServingRateLimit` blocks (50 by default); until then it refuses, mostly
 * before any block, and we ask again.
 */
export class AxonDuty implements Duty {
  readonly name = "axon";
  readonly #components: AxonComponents;
  readonly #options: AxonOptions;
  #restsUntil: BlockNumber = 0;
  /** Whether it was said that nothing is served. */
  #saidNone = false;
  /** Whether it was said that the chain's rate limit is waited for. */
  #saidLimited = false;

  constructor(components: AxonComponents, options: AxonOptions) {
    this.#components = components;
    this.#options = options;
  }

  async run(head: ChainHead, signal: AbortSignal): Promise<void> {
    const { axon } = this.#options;
    if (axon === null) return this.#sayNone();
    const { chain, maySign } = this.#components;
    if (head.number < this.#restsUntil || !maySign()) return;
    const final = await this.#own(chain.finalizedHead().hash);
    if (final === undefined) return;
    if (isSameAxon(final.axon, axon)) return this.#rest(head);
    // Sent by a process that was killed meanwhile: it becomes final by itself.
    if (isSameAxon((await this.#own(head.hash))?.axon ?? null, axon)) return;
    await this.#serve(axon, head, signal);
  }

  async #serve({ ip, port }: Axon, head: ChainHead, signal: AbortSignal): Promise<void> {
    const { chain, metrics, logger } = this.#components;
    const { netuid } = this.#options;
    try {
      const deadlineBlock = head.number + SERVE_BLOCKS;
      const { block, blockHash } = await chain.submit(
        { kind: "serve_axon", netuid, ip, port },
        { signal, deadlineBlock },
      );
      await this.#verify({ ip, port }, blockHash);
      metrics.axonCalls.inc({ result: "served" });
      logger.info("Served axon", { ip, port, block });
      this.#saidLimited = false;
    } catch (error) {
      if (!(error instanceof ChainError) || error.code !== ChainErrorCode.RateLimited) throw error;
      metrics.axonCalls.inc({ result: "rate_limited" });
      if (!this.#saidLimited) logger.info("Axon waits for the chain's rate limit", { ip, port, block: head.number });
      this.#saidLimited = true;
    }
    this.#rest(chain.head());
  }

  async #verify(axon: Axon, at: BlockHash): Promise<void> {
    const found = (await this.#own(at))?.axon ?? null;
    if (isSameAxon(found, axon)) return;
    throw new EvaluatorError(EvaluatorErrorCode.AxonNotVerified, "The axon on chain is not ours", {
      retryable: true,
      fields: { ip: axon.ip, port: axon.port, found_ip: found?.ip, found_port: found?.port },
    });
  }

  /** Our neuron at a block; undefined without a slot. */
  async #own(at: BlockHash): Promise<Neuron | undefined> {
    const { chain } = this.#components;
    const { neurons } = await chain.snapshot(this.#options.netuid, at);
    return neurons.find(({ hotkey }) => hotkey === chain.hotkey);
  }

  #rest({ number }: ChainHead): void {
    this.#restsUntil = number + LOOK_EVERY_BLOCKS;
  }

  #sayNone(): void {
    if (this.#saidNone) return;
    this.#saidNone = true;
    this.#components.logger.info("No axon is served: peers and miners do not find this validator's server on chain");
  }
}

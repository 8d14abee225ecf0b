import type { Block } from "./blocks/block.ts";
import type { Chain } from "./chain.ts";
import type { ForkTerms } from "./fork.ts";

export interface BlockProducerOptions {
  /** Time between two blocks. */
  readonly blockMillis: number;
  /** Builds no block by itself; the time on chain then advances by `blockMillis` a block. */
  readonly manual: boolean;
}

/** Builds blocks, by the clock or on demand. */
export class BlockProducer {
  readonly #chain: Chain;
  readonly #options: BlockProducerOptions;
  #timer: NodeJS.Timeout | null = null;
  #dueAt = 0;
  #slotsToMiss = 0;

  constructor(chain: Chain, options: BlockProducerOptions) {
    this.#chain = chain;
    this.#options = options;
  }

  /** Starts building by the clock, unless blocks are built on demand only. */
  resume(): void {
    if (this.#options.manual || this.#timer !== null) return;
    this.#dueAt = Date.now();
    this.#schedule();
  }

  /** Stops building by the clock until resumed. */
  pause(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Leaves the next slots without a block: time goes on, the block number does not. */
  missBlocks(slots: number): void {
    this.#slotsToMiss += slots;
  }

  buildBlock(): Block {
    const { timestamp } = this.#chain.head;
    const { manual, blockMillis } = this.#options;
    if (!manual) return this.#chain.buildBlock(Math.max(timestamp + 1, Date.now()));
    const slots = 1 + this.#slotsToMiss;
    this.#slotsToMiss = 0;
    return this.#chain.buildBlock(timestamp + slots * blockMillis);
  }

  /** Builds a branch whose blocks have the times of their slots, but none from the future. */
  fork(terms: ForkTerms): Block {
    const { manual, blockMillis } = this.#options;
    return this.#chain.fork(terms, ({ timestamp }) => {
      const slot = timestamp + blockMillis;
      return manual ? slot : Math.max(timestamp + 1, Math.min(slot, Date.now()));
    });
  }

  /** Keeps to the clock: a late block does not move the later ones, but blocks missed altogether are not made up for. */
  #schedule(): void {
    const { blockMillis } = this.#options;
    this.#dueAt = Math.max(this.#dueAt + blockMillis, Date.now());
    this.#timer = setTimeout(() => {
      this.#fillSlot();
      if (this.#timer !== null) this.#schedule();
    }, this.#dueAt - Date.now());
  }

  #fillSlot(): void {
    if (this.#slotsToMiss === 0) this.buildBlock();
    else this.#slotsToMiss -= 1;
  }
}

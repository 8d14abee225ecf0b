import type { Block } from "./blocks/block.ts";
import type { Chain } from "./chain.ts";

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

  buildBlock(): Block {
    const { timestamp } = this.#chain.head;
    const { manual, blockMillis } = this.#options;
    return this.#chain.buildBlock(manual ? timestamp + blockMillis : Math.max(timestamp + 1, Date.now()));
  }

  /** Keeps to the clock: a late block does not move the later ones, but blocks missed altogether are not made up for. */
  #schedule(): void {
    const { blockMillis } = this.#options;
    this.#dueAt = Math.max(this.#dueAt + blockMillis, Date.now());
    this.#timer = setTimeout(() => {
      this.buildBlock();
      if (this.#timer !== null) this.#schedule();
    }, this.#dueAt - Date.now());
  }
}

import type { BlockNumber } from "@assay/core/units";

/** Which block is final: some blocks behind the head as a rule, and never an earlier one than before. */
export class Finality {
  #lag: number;
  #isStalled = false;
  #finalized: BlockNumber = 0;

  constructor(lag: number) {
    this.#lag = lag;
  }

  get finalized(): BlockNumber {
    return this.#finalized;
  }

  /** Finality stands still from now on, while blocks are built. */
  stall(): void {
    this.#isStalled = true;
  }

  resume(): void {
    this.#isStalled = false;
  }

  /** Blocks between the head and the newest final block from now on. */
  setLag(lag: number): void {
    this.#lag = lag;
  }

  /** Follows the head. Whether there are new final blocks; as on a real chain, several can become final at once. */
  advance(head: BlockNumber): boolean {
    const next = head - this.#lag;
    if (this.#isStalled || next <= this.#finalized) return false;
    this.#finalized = next;
    return true;
  }
}

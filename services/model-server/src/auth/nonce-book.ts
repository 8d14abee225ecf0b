import type { BlockNumber, Hotkey } from "@assay/core/units";

/** Whether a nonce may be used: once per hotkey, and only so many at a time. */
export type NonceVerdict = "first" | "reused" | "full";

/** More signed requests than this of one hotkey inside one window are turned away. */
const MAX_NONCES_PER_HOTKEY = 1_000;

/** The nonces of signed requests, kept as long as their signed block is inside the window. */
export class NonceBook {
  readonly #used = new Map<Hotkey, Map<string, BlockNumber>>();
  readonly #mostPerHotkey: number;
  #oldestBlock: BlockNumber = -1;

  constructor(mostPerHotkey: number = MAX_NONCES_PER_HOTKEY) {
    this.#mostPerHotkey = mostPerHotkey;
  }

  /** Notes a nonce as used, unless it was before. `oldestBlock` is the window's first block. */
  use(hotkey: Hotkey, nonce: string, signedBlock: BlockNumber, oldestBlock: BlockNumber): NonceVerdict {
    this.#forgetBefore(oldestBlock);
    const nonces = this.#used.get(hotkey) ?? new Map<string, BlockNumber>();
    if (nonces.has(nonce)) {
      return "reused";
    }
    if (nonces.size >= this.#mostPerHotkey) {
      return "full";
    }
    nonces.set(nonce, signedBlock);
    this.#used.set(hotkey, nonces);
    return "first";
  }

  #forgetBefore(oldestBlock: BlockNumber): void {
    if (oldestBlock <= this.#oldestBlock) {
      return;
    }
    this.#oldestBlock = oldestBlock;
    for (const [hotkey, nonces] of this.#used) {
      for (const [nonce, block] of nonces) {
        if (block < oldestBlock) {
          nonces.delete(nonce);
        }
      }
      if (nonces.size === 0) {
        this.#used.delete(hotkey);
      }
    }
  }
}

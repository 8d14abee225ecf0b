/** How many bytes one token takes: two are enough for ids below 65,536. */
export type TokenWidth = 2 | 4;

type Block = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Token ids one after the other, in blocks, so that growing never copies what is there. */
export class TokenList {
  readonly width: TokenWidth;
  readonly #blocks: Block[] = [];
  #length = 0;
  #largest = -1;

  /** @param vocabularySize every id must be smaller. */
  constructor(vocabularySize: number) {
    this.width = vocabularySize <= 1 << 16 ? 2 : 4;
  }

  /**
   * A list of so many ids from bytes as {@link bytes} gave them.
   *
   * @param fill writes the next bytes into what it is given.
   */
  static async restore(
    { width, length }: Pick<TokenList, "width" | "length">,
    fill: (bytes: Uint8Array) => Promise<void>,
  ): Promise<TokenList> {
    const list = new TokenList(width === 2 ? 1 << 16 : Number.POSITIVE_INFINITY);
    while (list.#length < length) {
      const tokens = Math.min(BLOCK_TOKENS, length - list.#length);
      const block = newBlock(width);
      await fill(new Uint8Array(block.buffer, 0, tokens * width));
      list.#blocks.push(block);
      list.#length += tokens;
      for (const token of block.subarray(0, tokens)) list.#largest = Math.max(list.#largest, token);
    }
    return list;
  }

  get length(): number {
    return this.#length;
  }

  /** The largest id; -1 without any. */
  get largest(): number {
    return this.#largest;
  }

  push(token: number): void {
    const at = this.#length % BLOCK_TOKENS;
    if (at === 0) this.#blocks.push(newBlock(this.width));
    const block = this.#blocks.at(-1) as Block;
    block[at] = token;
    this.#length += 1;
    if (token > this.#largest) this.#largest = token;
  }

  /** A copy of some of the ids. */
  slice(begin: number, end: number): Uint32Array {
    if (end > this.#length) throw new RangeError(`There are ${this.#length} tokens, not ${end}`);
    const ids = new Uint32Array(end - begin);
    for (let index = begin; index < end; ) {
      const at = index % BLOCK_TOKENS;
      const block = this.#blocks[Math.floor(index / BLOCK_TOKENS)] as Block;
      const part = block.subarray(at, Math.min(BLOCK_TOKENS, at + end - index));
      ids.set(part, index - begin);
      index += part.length;
    }
    return ids;
  }

  /** The ids as they lie in memory, little-endian on the machines that this runs on. */
  *bytes(): Generator<Uint8Array<ArrayBuffer>> {
    for (const [index, { buffer }] of this.#blocks.entries()) {
      const tokens = Math.min(BLOCK_TOKENS, this.#length - index * BLOCK_TOKENS);
      yield new Uint8Array(buffer, 0, tokens * this.width);
    }
  }
}

const BLOCK_TOKENS = 1 << 20;

function newBlock(width: TokenWidth): Block {
  return width === 2 ? new Uint16Array(BLOCK_TOKENS) : new Uint32Array(BLOCK_TOKENS);
}

import { type Trunk, trunkBytes } from "./forward.ts";

/** Trunks by key, bounded in bytes; the one used longest ago goes first. */
export class TrunkCache {
  readonly #maxBytes: number;
  readonly #trunks = new Map<string, Trunk>();
  #bytes = 0;

  constructor(options: { readonly maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  /** The trunk of this key, made if it is not here. One that alone exceeds the bound is not kept. */
  async get(key: string, make: () => Promise<Trunk>): Promise<Trunk> {
    const known = this.#trunks.get(key);
    if (known !== undefined) {
      this.#trunks.delete(key);
      this.#trunks.set(key, known);
      return known;
    }
    const trunk = await make();
    this.#keep(key, trunk);
    return trunk;
  }

  clear(): void {
    this.#trunks.clear();
    this.#bytes = 0;
  }

  #keep(key: string, trunk: Trunk): void {
    if (trunkBytes(trunk) > this.#maxBytes) return;
    this.#bytes += trunkBytes(trunk);
    this.#trunks.set(key, trunk);
    for (const [oldest, evicted] of this.#trunks) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#trunks.delete(oldest);
      this.#bytes -= trunkBytes(evicted);
    }
  }
}

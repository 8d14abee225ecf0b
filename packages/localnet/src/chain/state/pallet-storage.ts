import type { Codec } from "@polkadot/types/types";
import type { RuntimeCodec } from "./runtime-codec.ts";
import type { StateReader } from "./state-history.ts";
import type { StateOverlay } from "./state-overlay.ts";

/** One pallet's storage, read in plain values. */
export class PalletReader {
  protected readonly codec: RuntimeCodec;
  protected readonly pallet: string;
  readonly #state: StateReader;

  constructor(codec: RuntimeCodec, state: StateReader, pallet: string) {
    this.codec = codec;
    this.pallet = pallet;
    this.#state = state;
  }

  /** The value or its default; null when there is neither. */
  read(item: string, ...keys: readonly unknown[]): Codec | null {
    const key = this.codec.storageKey(this.pallet, item, keys);
    return this.codec.decodeStorage(this.pallet, item, this.#state.get(key));
  }

  number(item: string, ...keys: readonly unknown[]): number {
    return Number(this.#present(item, keys).toString());
  }

  numberOrNull(item: string, ...keys: readonly unknown[]): number | null {
    const value = this.read(item, ...keys);
    return value === null ? null : Number(value.toString());
  }

  bigint(item: string, ...keys: readonly unknown[]): bigint {
    return BigInt(this.#present(item, keys).toString());
  }

  flag(item: string, ...keys: readonly unknown[]): boolean {
    return this.#present(item, keys).toPrimitive() === true;
  }

  address(item: string, ...keys: readonly unknown[]): string {
    return this.#present(item, keys).toString();
  }

  numbers(item: string, ...keys: readonly unknown[]): number[] {
    return this.#list(item, keys).map(Number);
  }

  flags(item: string, ...keys: readonly unknown[]): boolean[] {
    return this.#list(item, keys).map((value) => value === true);
  }

  #list(item: string, keys: readonly unknown[]): readonly unknown[] {
    const value = this.#present(item, keys).toPrimitive();
    if (!Array.isArray(value)) throw new TypeError(`${this.pallet}.${item} is not a list`);
    return value;
  }

  #present(item: string, keys: readonly unknown[]): Codec {
    const value = this.read(item, ...keys);
    if (value === null) throw new Error(`${this.pallet}.${item} has no value at ${keys.join(", ")}`);
    return value;
  }
}

/** One pallet's storage, also written. */
export class PalletStorage extends PalletReader {
  readonly #overlay: StateOverlay;

  constructor(codec: RuntimeCodec, overlay: StateOverlay, pallet: string) {
    super(codec, overlay, pallet);
    this.#overlay = overlay;
  }

  put(item: string, keys: readonly unknown[], value: unknown): void {
    const encoded = this.codec.encodeStorage(this.pallet, item, value);
    this.#overlay.set(this.codec.storageKey(this.pallet, item, keys), encoded);
  }

  remove(item: string, keys: readonly unknown[]): void {
    this.#overlay.set(this.codec.storageKey(this.pallet, item, keys), null);
  }
}

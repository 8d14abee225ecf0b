import type { TypeId, VariantCase } from "./type-table.ts";

export type StorageHasher = "Identity" | "Blake2_128Concat" | "Twox64Concat";

/** A storage item. Without a default, an absent value reads as none. */
export interface StorageItem {
  readonly name: string;
  /** One per key, outermost first; none for a plain value. */
  readonly keys: readonly { readonly hasher: StorageHasher; readonly type: TypeId }[];
  readonly value: TypeId;
  /** SCALE bytes read where nothing is stored. */
  readonly fallback: Uint8Array | null;
}

export interface PalletConstant {
  readonly name: string;
  readonly type: TypeId;
  /** SCALE bytes. */
  readonly value: Uint8Array;
}

/** What one pallet adds to the metadata. */
export interface Pallet {
  readonly name: string;
  readonly index: number;
  /** Rust crate that names the pallet's types, such as `pallet_subtensor`. */
  readonly crate: string;
  readonly calls: readonly VariantCase[];
  readonly events: readonly VariantCase[];
  readonly errors: readonly string[];
  readonly constants: readonly PalletConstant[];
  /** Takes the type of an event record, which exists only once the events of all pallets are known. */
  storage(eventRecord: TypeId): readonly StorageItem[];
}

/** A storage item with a single value. */
export function plain(name: string, value: TypeId, fallback: Uint8Array | null = null): StorageItem {
  return { name, keys: [], value, fallback };
}

/** A storage map, with as many keys as hashers. */
export function map(
  name: string,
  keys: readonly (readonly [StorageHasher, TypeId])[],
  value: TypeId,
  fallback: Uint8Array | null = null,
): StorageItem {
  return { name, keys: keys.map(([hasher, type]) => ({ hasher, type })), value, fallback };
}

/** An unsigned integer in SCALE's fixed-width form: little endian. */
export function littleEndian(value: number | bigint, byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  let rest = BigInt(value);
  for (let position = 0; position < byteLength; position++) {
    bytes[position] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** SCALE of false, zero in one byte, an empty vector and an absent option alike. */
export const ZERO_BYTE: Uint8Array = new Uint8Array(1);

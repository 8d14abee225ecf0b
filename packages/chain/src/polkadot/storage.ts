import type { BlockHash, BlockNumber } from "@assay/core/units";
import type { QueryableStorageEntry } from "@polkadot/api/types";
import type { Codec, Registry } from "@polkadot/types/types";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import type { ChainSession } from "./session.ts";

export type StorageItem = QueryableStorageEntry<"promise">;

/** Storage of one block, with the types that its own runtime had. */
export interface StorageAt {
  readonly hash: BlockHash;
  readonly block: BlockNumber;
  readonly registry: Registry;
  /** An item by its name in the metadata, in camel case: `subtensorModule`, `keys`. */
  item(pallet: string, name: string): StorageItem;
  /** The same, or null where this runtime has no such item. */
  optionalItem(pallet: string, name: string): StorageItem | null;
  /** A call to the runtime as of this block, by the names in its metadata, in camel case; null where it has no such call. */
  runtimeCall(api: string, method: string): ((...args: readonly unknown[]) => Promise<Codec>) | null;
}

/**
 * Storage as of one block. Fails with `CHAIN_STATE_DISCARDED` when the endpoint has pruned it and `CHAIN_BLOCK_UNKNOWN`
 * when it never had it: what a block held is never answered from another one.
 */
export async function storageAt(session: ChainSession, hash: BlockHash): Promise<StorageAt> {
  const block = await numberOfBlock(session, hash);
  // Blocks after the session began are of its own runtime, or it would have ended: then nobody needs to be asked.
  const runtime = block > session.runtimeSince ? session.api.runtimeVersion : undefined;
  const { query, call, registry } = await session.api.at(hash, runtime);
  const optionalItem = (pallet: string, name: string) => query[pallet]?.[name] ?? null;
  return {
    hash,
    block,
    registry,
    optionalItem,
    runtimeCall: (api, method) => call[api]?.[method] ?? null,
    item: (pallet, name) => {
      const item = optionalItem(pallet, name);
      if (item !== null) return item;
      throw new ChainError(ChainErrorCode.InterfaceMismatch, "The runtime lacks a storage item", {
        fields: { pallet, item: name },
      });
    },
  };
}

async function numberOfBlock(session: ChainSession, hash: BlockHash): Promise<BlockNumber> {
  const header = await session.request<{ readonly number: string } | null>("chain_getHeader", [hash]);
  if (header !== null) return Number(header.number);
  throw new ChainError(ChainErrorCode.BlockUnknown, "The endpoint does not know that block", { fields: { hash } });
}

/** Any number the chain stores, exactly; `AnyNumber` codecs and single-field wrappers print alike. */
export function bigintOf(value: Codec): bigint {
  return BigInt(value.toString());
}

/** A number the chain stores that fits a double; throws on one that does not. */
export function numberOf(value: Codec): number {
  const exact = bigintOf(value);
  if (exact > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`${exact} is no safe integer`);
  return Number(exact);
}

/** Elements of a stored vector. */
export function listOf(value: Codec): readonly Codec[] {
  if (Symbol.iterator in value) return [...(value as Codec & Iterable<Codec>)];
  throw new TypeError("The stored value is no list");
}

/** A field of a stored struct, in camel case. */
export function field(struct: Codec, name: string): Codec {
  const value = "get" in struct ? (struct as Codec & { get(name: string): Codec | undefined }).get(name) : undefined;
  if (value === undefined) throw new TypeError(`The stored value has no field ${name}`);
  return value;
}

/** What an `Option` holds, or null; a value that is no `Option` is what it is. */
export function unwrapped(value: Codec): Codec | null {
  if (!("unwrapOr" in value)) return value;
  return (value as Codec & { unwrapOr(value: null): Codec | null }).unwrapOr(null);
}

/** Value of an item that may be an `Option`, or absent altogether. */
export function valueOr<T>(stored: Codec | undefined, read: (value: Codec) => T, otherwise: T): T {
  const inner = stored === undefined ? null : unwrapped(stored);
  return inner === null ? otherwise : read(inner);
}

/** A part of a stored key or tuple. */
export function argument(values: readonly (Codec | undefined)[], index: number): Codec {
  const value = values[index];
  if (value === undefined) throw new TypeError(`The stored key or value has no part ${index}`);
  return value;
}

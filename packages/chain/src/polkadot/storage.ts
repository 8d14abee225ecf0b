import type { BlockHash } from "@assay/core/units";
import type { QueryableStorageEntry } from "@polkadot/api/types";
import type { Codec, Registry } from "@polkadot/types/types";
import { ChainError, ChainErrorCode } from "../chain-error.ts";
import type { ChainSession } from "./session.ts";

export type StorageItem = QueryableStorageEntry<"promise">;

/** Storage of one block, with the types that its own runtime had. */
export interface StorageAt {
  readonly hash: BlockHash;
  readonly registry: Registry;
  /** An item by its name in the metadata, in camel case: `subtensorModule`, `keys`. */
  item(pallet: string, name: string): StorageItem;
  /** The same, or null where this runtime has no such item. */
  optionalItem(pallet: string, name: string): StorageItem | null;
}

/**
 * Storage as of one block. Fails with `CHAIN_STATE_DISCARDED` when the endpoint has pruned it and `CHAIN_BLOCK_UNKNOWN`
 * when it never had it: what a block held is never answered from another one.
 */
export async function storageAt(session: ChainSession, hash: BlockHash): Promise<StorageAt> {
  await expectBlock(session, hash);
  const { query, registry } = await session.api.at(hash);
  const optionalItem = (pallet: string, name: string) => query[pallet]?.[name] ?? null;
  return {
    hash,
    registry,
    optionalItem,
    item: (pallet, name) => {
      const item = optionalItem(pallet, name);
      if (item !== null) return item;
      throw new ChainError(ChainErrorCode.InterfaceMismatch, "The runtime lacks a storage item", {
        fields: { pallet, item: name },
      });
    },
  };
}

async function expectBlock(session: ChainSession, hash: BlockHash): Promise<void> {
  const header = await session.request<unknown>("chain_getHeader", [hash]);
  if (header === null) {
    throw new ChainError(ChainErrorCode.BlockUnknown, "The endpoint does not know that block", { fields: { hash } });
  }
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

import type { BlockNumber } from "@assay/core/units";

/** A storage key as clients send it: `0x` and lower-case hexadecimal digits. */
export type StorageKey = string;
/** SCALE bytes in hexadecimal with `0x`. */
export type StorageValue = string;
/** What a block writes; null removes the key. */
export type StateChanges = ReadonlyMap<StorageKey, StorageValue | null>;

/** The state as one block left it, or as one block under construction sees it. */
export interface StateReader {
  get(key: StorageKey): StorageValue | null;
}

interface Version {
  readonly block: BlockNumber;
  readonly value: StorageValue | null;
}

/** `0x` and the 32 bytes that name a pallet and its item. */
const ITEM_PREFIX_LENGTH = 2 + 64;

/**
 * Every version of every key, so that the state can be read as any kept block left it.
 *
 * It grows with what blocks write, not with the number of keys times the number of blocks.
 */
export class StateHistory {
  readonly #items = new Map<string, Map<StorageKey, Version[]>>();
  readonly #written = new Map<BlockNumber, readonly StorageKey[]>();
  #oldestBlock: BlockNumber = 0;

  /** First block whose state is still kept. */
  get oldestBlock(): BlockNumber {
    return this.#oldestBlock;
  }

  /** Values kept, of all keys and blocks: what its memory grows with. */
  get versionCount(): number {
    let count = 0;
    for (const item of this.#items.values()) for (const versions of item.values()) count += versions.length;
    return count;
  }

  get(key: StorageKey, block: BlockNumber): StorageValue | null {
    const versions = this.#items.get(key.slice(0, ITEM_PREFIX_LENGTH))?.get(key);
    return versions === undefined ? null : valueAt(versions, block);
  }

  /** The state as `block` left it. */
  at(block: BlockNumber): StateReader {
    return { get: (key) => this.get(key, block) };
  }

  /** Keys with a value at `block` that begin with `prefix`, sorted. */
  keys(prefix: string, block: BlockNumber): readonly StorageKey[] {
    const found: StorageKey[] = [];
    for (const [itemPrefix, item] of this.#items) {
      if (!itemPrefix.startsWith(prefix) && !prefix.startsWith(itemPrefix)) continue;
      for (const [key, versions] of item) {
        if (key.startsWith(prefix) && valueAt(versions, block) !== null) found.push(key);
      }
    }
    return found.sort();
  }

  /** Adds what `block`, the newest one, wrote. */
  commit(block: BlockNumber, changes: StateChanges): void {
    for (const [key, value] of changes) this.#versions(key).push({ block, value });
    this.#written.set(block, [...changes.keys()]);
  }

  /** Removes what `block`, the newest one, wrote, and returns it. */
  takeBack(block: BlockNumber): StateChanges {
    const changes = new Map<StorageKey, StorageValue | null>();
    for (const key of this.#written.get(block) ?? []) {
      const item = this.#items.get(key.slice(0, ITEM_PREFIX_LENGTH));
      const versions = item?.get(key) ?? [];
      changes.set(key, versions.pop()?.value ?? null);
      if (versions.length === 0) item?.delete(key);
    }
    this.#written.delete(block);
    return changes;
  }

  /** Forgets the state of all blocks before `block`. */
  discardBefore(block: BlockNumber): void {
    while (this.#oldestBlock < block) {
      this.#written.delete(this.#oldestBlock);
      this.#oldestBlock += 1;
      for (const key of this.#written.get(this.#oldestBlock) ?? []) this.#forgetOlder(key, this.#oldestBlock);
    }
  }

  #versions(key: StorageKey): Version[] {
    const prefix = key.slice(0, ITEM_PREFIX_LENGTH);
    const item = this.#items.get(prefix) ?? new Map<StorageKey, Version[]>();
    this.#items.set(prefix, item);
    const versions = item.get(key) ?? [];
    item.set(key, versions);
    return versions;
  }

  #forgetOlder(key: StorageKey, block: BlockNumber): void {
    const item = this.#items.get(key.slice(0, ITEM_PREFIX_LENGTH));
    const versions = item?.get(key);
    if (item === undefined || versions === undefined) return;
    versions.splice(
      0,
      versions.findIndex((version) => version.block >= block),
    );
    if (versions.length === 1 && versions[0]?.value === null) item.delete(key);
  }
}

/** The newest version not younger than `block`; versions are in the order of their blocks. */
function valueAt(versions: readonly Version[], block: BlockNumber): StorageValue | null {
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((versions[middle]?.block ?? 0) <= block) low = middle + 1;
    else high = middle;
  }
  return versions[low - 1]?.value ?? null;
}

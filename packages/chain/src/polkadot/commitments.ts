import type { ChainCommitment } from "@assay/core/round/snapshot";
import type { BlockNumber, Netuid } from "@assay/core/units";
import type { StorageKey } from "@polkadot/types";
import type { Codec } from "@polkadot/types/types";
import { hexToU8a } from "./library.ts";
import type { ChainSession } from "./session.ts";
import { field, listOf, numberOf, type StorageAt, type StorageItem } from "./storage.ts";

/** Keys per request; nodes refuse more than 1000. */
const PAGE = 512;

const NO_BYTES = new Uint8Array(0);
const UNDECODABLE: Omit<ChainCommitment, "hotkey"> = { block: 0, bytes: NO_BYTES, fault: "undecodable" };

/**
 * What every hotkey last committed, sorted by hotkey.
 *
 * Each entry is decoded by itself and never throws: one that is not plain bytes (a hash, a time lock, something this
 * version does not know) has no bytes and says why, so that nobody can stop a validator by what they commit.
 */
export async function readCommitments(
  session: ChainSession,
  storage: StorageAt,
  netuid: Netuid,
): Promise<readonly ChainCommitment[]> {
  const item = storage.item("commitments", "commitmentOf");
  const commitments: ChainCommitment[] = [];
  for await (const [key, value] of entries(session, item, [netuid], storage.hash)) {
    const hotkey = hotkeyOf(item, key);
    if (hotkey !== null) commitments.push({ hotkey, ...decodeRegistration(item, value) });
  }
  return commitments.sort((a, b) => (a.hotkey < b.hotkey ? -1 : 1));
}

type RawEntry = readonly [key: string, value: string];

async function* entries(
  session: ChainSession,
  item: StorageItem,
  prefixKeys: readonly unknown[],
  at: string,
): AsyncGenerator<RawEntry> {
  const prefix = item.keyPrefix(...prefixKeys);
  for (let last = prefix; ; ) {
    const keys = await session.request<readonly string[]>("state_getKeysPaged", [prefix, PAGE, last, at]);
    if (keys.length > 0) yield* await valuesOf(session, keys, at);
    last = keys.at(-1) ?? last;
    if (keys.length < PAGE) return;
  }
}

interface StorageChangeSet {
  readonly changes: readonly (readonly [string, string | null])[];
}

async function valuesOf(session: ChainSession, keys: readonly string[], at: string): Promise<readonly RawEntry[]> {
  const sets = await session.request<readonly StorageChangeSet[]>("state_queryStorageAt", [keys, at]);
  return sets.flatMap(({ changes }) => changes.flatMap(([key, value]) => (value === null ? [] : [[key, value]])));
}

/** The account at the end of a map's key; null for a key of another shape. */
function hotkeyOf(item: StorageItem, key: string): string | null {
  try {
    const { meta } = item.creator;
    const [, account] = meta.registry.createType<StorageKey>("StorageKey", key).setMeta(meta).args;
    return account?.toString() ?? null;
  } catch {
    return null;
  }
}

function decodeRegistration(item: StorageItem, value: string): Omit<ChainCommitment, "hotkey"> {
  try {
    const { meta } = item.creator;
    const registration = meta.registry.createType(
      meta.registry.createLookupType(meta.type.asMap.value),
      hexToU8a(value),
    );
    const bytes = bytesOf(registration);
    const block = blockOf(registration);
    return bytes === null ? { block, bytes: NO_BYTES, fault: "wrong_type" } : { block, bytes };
  } catch {
    return UNDECODABLE;
  }
}

function blockOf(registration: Codec): BlockNumber {
  return numberOf(field(registration, "block"));
}

/** Bytes of the first field, which alone counts; null unless it is of a variant `Raw…` or `BigRaw`. */
function bytesOf(registration: Codec): Uint8Array | null {
  const [first] = listOf(field(field(registration, "info"), "fields"));
  if (first === undefined || !("type" in first) || !("value" in first)) return null;
  const { type, value } = first as Codec & { readonly type: string; readonly value: Codec };
  return /^(Raw\d+|BigRaw)$/.test(type) ? Uint8Array.from(value.toU8a(true)) : null;
}

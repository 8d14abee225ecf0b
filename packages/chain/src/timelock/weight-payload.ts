import type { Hotkey, Uid } from "@assay/core/units";
import type { Codec } from "@polkadot/types/types";
import { SS58_PREFIX } from "../keys/key-pair.ts";
import { blake2AsHex, decodeAddress, encodeAddress, TypeRegistry } from "../polkadot/library.ts";

/** What a hidden commit hides. */
export interface HiddenWeights {
  readonly hotkey: Hotkey;
  readonly uids: readonly Uid[];
  /** One u16 per uid. */
  readonly weights: readonly number[];
  readonly versionKey: bigint;
}

/** Struct `WeightsTlockPayload` of subtensor: account, uids, values, version key. */
const PAYLOAD = "(Bytes, Vec<u16>, Vec<u16>, u64)";
/** What `reveal_weights` hashes: account, subnet, uids, values, salt, version key. */
const COMMITTED = "(AccountId, u16, Vec<u16>, Vec<u16>, Vec<u16>, u64)";

/** The plaintext of a time-locked commit, in SCALE. */
export function encodeWeightPayload({ hotkey, uids, weights, versionKey }: HiddenWeights): Uint8Array {
  const account = Array.from(decodeAddress(hotkey));
  return new TypeRegistry().createType(PAYLOAD, [account, uids, weights, versionKey]).toU8a();
}

/**
 * Reads a plaintext back.
 *
 * @throws Error when it is none.
 */
export function decodeWeightPayload(bytes: Uint8Array): HiddenWeights {
  const tuple = new TypeRegistry().createType(PAYLOAD, bytes);
  if (tuple.encodedLength !== bytes.length) throw new Error("Not a weight payload");
  const [account, uids, weights, versionKey] = tuple as unknown as readonly [Codec, Codec, Codec, Codec];
  return {
    hotkey: encodeAddress(account.toU8a(true), SS58_PREFIX),
    uids: (uids.toJSON() as readonly unknown[]).map(Number),
    weights: (weights.toJSON() as readonly unknown[]).map(Number),
    versionKey: BigInt(versionKey.toString()),
  };
}

/** Under what hash `commit_weights` announces weights; for the subnet's first mechanism, whose index is the netuid. */
export function weightCommitHash(
  { hotkey, uids, weights, versionKey }: HiddenWeights,
  { netuid, salt }: { readonly netuid: number; readonly salt: readonly number[] },
): string {
  const committed = new TypeRegistry().createType(COMMITTED, [
    decodeAddress(hotkey),
    netuid,
    uids,
    weights,
    salt,
    versionKey,
  ]);
  return blake2AsHex(committed.toU8a(), 256);
}

/** Under what hash the chain's events name a time-locked commit, and our ledger too. */
export function timelockedCommitHash(commit: Uint8Array): string {
  return blake2AsHex(commit, 256);
}

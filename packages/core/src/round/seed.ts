import { sha256HexOfText } from "../hash/sha256.ts";
import type { BlockHash, Hotkey } from "../units.ts";

/**
 * One seed out of all validators' seeds: SHA-256 of their decimal texts, ordered by hotkey, without separators.
 *
 * Validators that committed no seed count as 0; without any validator it is the hash of "0". Known before
 * submissions close, so it may choose who evaluates whom but never the held-out text: see {@link roundSeed}.
 *
 * @returns 64 hexadecimal digits
 * @see packages/docs/protocol.md §5.2
 */
export function combinedSeed(seeds: ReadonlyMap<Hotkey, number | bigint>): string {
  const ordered = [...seeds].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return sha256HexOfText(ordered.map(([, seed]) => seed).join("") || "0");
}

/**
 * The seed that chooses the held-out text: the combined seed mixed with a block hash nobody knew while training.
 *
 * SHA-256 of the seed's 64 digits followed by the block hash's 64 digits (lower case, without `0x`).
 *
 * @param blockHash hash of the round's seed block, the first after submissions closed
 * @returns 64 hexadecimal digits
 */
export function roundSeed(combinedSeedHex: string, blockHash: BlockHash): string {
  return sha256HexOfText(combinedSeedHex.toLowerCase() + blockHash.toLowerCase().replace(/^0x/, ""));
}

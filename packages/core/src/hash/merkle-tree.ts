import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes } from "@noble/hashes/utils.js";
import type { Sha256Hex } from "../units.ts";

/** The tree hash of RFC 6962 §2.1 over these leaves, in their order; the hash of nothing without any. */
export function merkleTreeRoot(leaves: readonly Uint8Array[]): Sha256Hex {
  return bytesToHex(treeHash(leaves.map((leaf) => sha256(concatBytes(LEAF, leaf)))));
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** Level by level, an odd one out moves up: the same tree as splitting at the largest power of two. */
function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  let level = leaves;
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let index = 0; index < level.length; index += 2) {
      const [left, right] = level.slice(index, index + 2);
      if (left !== undefined) above.push(right === undefined ? left : sha256(concatBytes(NODE, left, right)));
    }
    level = above;
  }
  return level[0] ?? sha256(new Uint8Array());
}

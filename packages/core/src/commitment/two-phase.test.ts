import { expect, test } from "vitest";
import type { ChainCommitment } from "../round/snapshot.ts";
import { encodeCommitment } from "./payload.ts";
import { announcedGroups, joinTwoPhases } from "./two-phase.ts";

const signature = "s".repeat(86);
const hash = "ab".repeat(32);
const windows = {
  signatureWindow: { firstBlock: 10, lastBlock: 12 },
  hashWindow: { firstBlock: 13, lastBlock: 15 },
};

test("signatures and hashes are joined by hotkey", () => {
  const joined = joinTwoPhases({
    ...windows,
    signatures: [commitment("miner", 10, { signature, group: 2 }), commitment("silent", 12, { signature })],
    hashes: [commitment("miner", 15, { hash, version: 4, group: 2 }), commitment("unsigned", 13, { hash })],
  });
  expect([...joined]).toEqual([["miner", { hotkey: "miner", hash, signature, block: 10, version: 4, group: 2 }]]);
});

test("a validator's commitments need no group", () => {
  const joined = joinTwoPhases({
    ...windows,
    signatures: [commitment("validator", 11, { signature })],
    hashes: [commitment("validator", 14, { hash, version: 4 })],
  });
  expect(joined.get("validator")).toEqual({
    hotkey: "validator",
    hash,
    signature,
    block: 11,
    version: 4,
    group: null,
  });
});

test("bytes that are no payload leave the others alone", () => {
  const rubbish = { hotkey: "rubbish", block: 11, bytes: new Uint8Array([1, 2, 3]) };
  const groups = announcedGroups([rubbish, commitment("miner", 1, { group: 3 }), commitment("other", 1, { hash })]);
  expect([...groups]).toEqual([["miner", 3]]);
});

function commitment(hotkey: string, block: number, payload: Parameters<typeof encodeCommitment>[0]): ChainCommitment {
  return { hotkey, block, bytes: encodeCommitment(payload, "miner") };
}

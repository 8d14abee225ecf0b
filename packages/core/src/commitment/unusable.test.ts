import { expect, test } from "vitest";
import type { ChainCommitment, Neuron } from "../round/snapshot.ts";
import { encodeCommitment } from "./payload.ts";
import { countUnusable } from "./unusable.ts";

const NOTHING = new Uint8Array(0);

function neuron(uid: number, hotkey: string, validatorPermit = false): Neuron {
  return { uid, hotkey, coldkey: hotkey, stakeRao: 0n, validatorPermit, lastUpdate: 0, axon: null };
}

function said(hotkey: string, text: string): ChainCommitment {
  return { hotkey, block: 1, bytes: new TextEncoder().encode(text) };
}

test("strangers' commitments that nobody can use are counted by why", () => {
  const commitments: ChainCommitment[] = [
    { hotkey: "a", block: 1, bytes: NOTHING, fault: "wrong_type" },
    { hotkey: "b", block: 0, bytes: NOTHING, fault: "undecodable" },
    { hotkey: "c", block: 1, bytes: new Uint8Array(129) },
    { hotkey: "d", block: 1, bytes: Uint8Array.of(0xff) },
    { hotkey: "e", block: 1, bytes: NOTHING },
    said("f", "[1]"),
    said("g", '{"h":"short"}'),
    said("h", '{"e":1,"s":7}'),
    said("validator", '{"e":1,"s":7}'),
    { hotkey: "i", block: 1, bytes: encodeCommitment({ group: 1 }, "miner") },
    said("gone", "nonsense"),
    said("own", "nonsense"),
  ];
  const neurons = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "own"].map((hotkey, uid) => neuron(uid, hotkey));
  expect(
    countUnusable({ neurons: [...neurons, neuron(10, "validator", true)], commitments }, { except: "own" }),
  ).toEqual({
    wrong_type: 1,
    undecodable: 1,
    oversized: 1,
    unparsable: 3,
    invalid_field: 1,
    forged_role: 1,
  });
});

test("without any commitment every reason counts none", () => {
  expect(Object.values(countUnusable({ neurons: [], commitments: [] }, { except: "own" }))).toEqual([0, 0, 0, 0, 0, 0]);
});

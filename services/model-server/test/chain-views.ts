import type { ChainView } from "@assay/core/chain-view";
import { ALICE, BOB, EDDY, NELL, VERA } from "./miners.ts";

const COMMITTED = "ab".repeat(32);

/** The second block of Distribute in cycle 3 of the 45-block schedule. */
export function distributeView(changes: Partial<ChainView> = {}): ChainView {
  return {
    schema: 1,
    netuid: 42,
    block: 136,
    cycle: 3,
    phase: "distribute",
    phaseFirstBlock: 135,
    phaseLastBlock: 139,
    nextDistributeBlock: 135,
    nextSubmissionBlock: 175,
    blockMillis: 12_000,
    updatedAt: Date.now(),
    validatorHotkey: VERA.hotkey,
    roster: [
      { uid: 1, hotkey: ALICE.hotkey, role: "miner", group: 0, committedHash: COMMITTED },
      { uid: 2, hotkey: BOB.hotkey, role: "miner", group: 1, committedHash: COMMITTED },
      { uid: 3, hotkey: VERA.hotkey, role: "validator", group: null, committedHash: null },
      { uid: 4, hotkey: NELL.hotkey, role: "miner", group: 0, committedHash: null },
      { uid: 5, hotkey: EDDY.hotkey, role: "miner", group: 0, committedHash: COMMITTED },
    ],
    ...changes,
  };
}

/** The second block of Submission in the same cycle: the round is 175. */
export function submissionView(changes: Partial<ChainView> = {}): ChainView {
  return distributeView({
    block: 176,
    phase: "submission",
    phaseFirstBlock: 175,
    phaseLastBlock: 179,
    nextDistributeBlock: 180,
    ...changes,
  });
}

import type { Round } from "@assay/core/round/round";

export const GROUPS = 2;
export const MINER = { uid: 1, hotkey: "miner", w: 0.25 };
export const ROUND: Round = {
  id: 31,
  cycle: 3,
  snapshotHash: "0x00",
  submissionFirst: 31,
  submissionLast: 33,
  seedBlock: 34,
  evaluationDeadline: 69,
  baseVersion: 0,
  roster: [],
};
export const BLOCK = 37;

/** The rules of these merges, with so much time. */
export function mergeRules(timeoutMillis: number) {
  const merge = { outerLearningRate: 0.7, outerMomentum: 0.9, topSubmissions: 1, normBound: 4 };
  return { netuid: 2, merge, timeoutMillis, auditsPerReducer: 1 };
}

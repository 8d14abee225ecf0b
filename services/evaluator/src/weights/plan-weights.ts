import type { ChainSnapshot } from "@assay/core/round/snapshot";
import { entriesStillRegistered, type ScoreBook } from "@assay/core/scoring/score-book";
import { weightVector } from "@assay/core/weights/weight-vector";
import type { Ledger } from "@assay/ledger/ledger";
import type { WeightPlan } from "@assay/ledger/weight-intent";

/** Weights as a rule gives them, and the rule's name. No uids: nothing to set. */
export type PlannedWeights = Pick<WeightPlan, "uids" | "weights" | "hotkeys" | "origin">;

/** Weights from the standings of now: the averages of those who still hold their slot. */
export async function planWeights(
  { neurons }: Pick<ChainSnapshot, "neurons">,
  ledger: Ledger,
): Promise<PlannedWeights> {
  const book: ScoreBook = new Map((await ledger.scores.book()).map((state) => [state.uid, state]));
  const registered = entriesStillRegistered(book, neurons);
  const { uids, weights } = weightVector([...registered].map(([uid, entry]) => [uid, entry.ema] as const));
  return { uids, weights, hotkeys: uids.map((uid) => registered.get(uid)?.hotkey ?? ""), origin: "scores" };
}

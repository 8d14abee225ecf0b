import type { ChainSnapshot } from "@assay/core/round/snapshot";
import { entriesStillRegistered, type ScoreBook, type ScoreEntry } from "@assay/core/scoring/score-book";
import { weightVector } from "@assay/core/weights/weight-vector";
import type { Hotkey, RoundId, Uid } from "@assay/core/units";
import type { WeighedVector } from "@assay/core/weights/obstacles";
import type { Ledger } from "@assay/ledger/ledger";
import { pairs, type WeightRow, weightRows } from "./weight-rows.ts";

/** The weights that the newest scores give. */
export interface WeightPlan {
  /** The newest closed round; null before the first. */
  readonly roundId: RoundId | null;
  readonly weights: readonly WeightRow[];
  /** Who has a score and gets no weight. */
  readonly left: readonly LeftOut[];
}

/** The plan as it would be sent at a snapshot. */
export function vectorOf({ weights }: WeightPlan, { neurons, hyperparameters }: VectorGround): WeighedVector {
  return {
    uids: weights.map(({ uid }) => uid),
    weights: weights.map(({ weight }) => weight),
    versionKey: hyperparameters.weightsVersionKey,
    hotkeys: weights.map(({ uid }) => neurons.find((neuron) => neuron.uid === uid)?.hotkey ?? ""),
  };
}

type VectorGround = Pick<ChainSnapshot, "neurons" | "hyperparameters">;

interface LeftOut {
  readonly uid: Uid;
  readonly hotkey: Hotkey;
  readonly ema: number;
  /** The slot has another owner or none; or the average is 0, or too small beside the largest. */
  readonly reason: "deregistered" | "no_weight";
}

/** As the evaluator plans: averages of those who still hold their slot, the largest scaled to 65535. */
export async function readPlan(ledger: Ledger, { neurons }: Pick<ChainSnapshot, "neurons">): Promise<WeightPlan> {
  const roundId = (await ledger.rounds.latestClosed())?.round.id ?? null;
  const book: ScoreBook = new Map((await ledger.scores.book()).map((state) => [state.uid, state]));
  const registered = entriesStillRegistered(book, neurons);
  const { uids, weights } = weightVector([...registered].map(([uid, entry]) => [uid, entry.ema] as const));
  const left = [...book.values()].filter(({ uid }) => !uids.includes(uid));
  return { roundId, weights: weightRows(pairs(uids, weights)), left: left.map((entry) => leftOut(entry, registered)) };
}

function leftOut({ uid, hotkey, ema }: ScoreEntry, registered: ScoreBook): LeftOut {
  return { uid, hotkey, ema, reason: registered.has(uid) ? "no_weight" : "deregistered" };
}

import { orderEvaluations } from "@assay/core/round/evaluation-plan";
import type { Round } from "@assay/core/round/round";
import type { Uid } from "@assay/core/units";
import type { Ledger } from "@assay/ledger/ledger";

/**
 * The place of every miner of a round in the order of its evaluations, from 1 and each its own: who submits late still
 * takes his place, and a retry comes before everybody behind it.
 *
 * One validator evaluates its whole roster, so all of them are its own.
 */
export async function evaluationRanks(
  { roster }: Round,
  ledger: Pick<Ledger, "scores">,
): Promise<ReadonlyMap<Uid, number>> {
  const own = new Set(roster.map(({ hotkey }) => hotkey));
  const standings = new Map((await ledger.scores.book()).map((state) => [state.uid, state]));
  return new Map(orderEvaluations(roster, { own, standings }).map(({ uid }, index) => [uid, index + 1]));
}

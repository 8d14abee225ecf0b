import type { ChainClient } from "@assay/chain/chain-client";
import { readWeightFacts } from "@assay/chain/weight-facts";
import type { ChainSnapshot } from "@assay/core/round/snapshot";
import type { Hotkey, RoundId } from "@assay/core/units";
import type { WeighedVector } from "@assay/core/weights/obstacles";
import { type NoWeights, type PlannedWeights, planWeights } from "@assay/core/weights/plan-weights";
import type { Ledger } from "@assay/ledger/ledger";
import { readWeightMemory } from "@assay/ledger/weight-memory";
import { readNetwork } from "../operator/network.ts";
import type { Operator } from "../operator/operator-options.ts";
import { table } from "../readable.ts";
import { pairs, type WeightRow, weightRows } from "./weight-rows.ts";

/** The weights that the evaluator would plan now. */
export interface WeightPlan extends Pick<PlannedWeights, "burn" | "capped" | "left"> {
  /** The newest closed round; null before the first. */
  readonly roundId: RoundId | null;
  /** Which rule made the weights; null where there are none. */
  readonly origin: PlannedWeights["origin"] | null;
  readonly weights: readonly WeightRow[];
  /** Why there are none, with numbers that explain it; null where there are some. */
  readonly none: Pick<NoWeights, "reason" | "fields"> | null;
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

export interface PlanTerms {
  readonly operator: Pick<Operator, "network">;
  readonly hotkey: Hotkey;
}

/** As the evaluator plans, from the same memory, chain and rules. */
export async function readPlan(
  ledger: Ledger,
  chain: ChainClient,
  snapshot: ChainSnapshot,
  { operator, hotkey: ownHotkey }: PlanTerms,
): Promise<WeightPlan> {
  const network = readNetwork(operator.network);
  const roundId = (await ledger.rounds.latestClosed())?.round.id ?? null;
  const terms = { memory: await readWeightMemory(ledger), network, ownHotkey };
  const planned = planWeights(await readWeightFacts(chain, snapshot, terms), network);
  const { left } = planned;
  if (planned.kind === "none") {
    const { reason, fields } = planned;
    return { roundId, origin: null, weights: [], burn: null, capped: [], left, none: { reason, fields } };
  }
  const { origin, uids, weights, burn, capped } = planned;
  return { roundId, origin, weights: weightRows(pairs(uids, weights)), burn, capped, left, none: null };
}

/** What the rules did beside the weights themselves: burned, cut, left out. */
export function renderPlanRules({ burn, capped, left }: WeightPlan): string {
  const rows = left.map(({ uid, hotkey, value, reason }) => [String(uid), hotkey, value.toFixed(4), reason]);
  return [
    burn === null ? "" : `Burned: ${(burn.share * 100).toFixed(2)} %, by uid ${burn.uid} of the subnet's owner\n`,
    capped.length === 0 ? "" : `Cut to the subnet's largest share: uid ${capped.join(", ")}\n`,
    rows.length === 0 ? "" : `Without weight:\n${table([["uid", "hotkey", "value", "reason"], ...rows])}`,
  ].join("");
}

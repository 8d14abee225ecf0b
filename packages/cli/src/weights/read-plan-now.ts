import { type WeightObstacle, weightObstacles } from "@assay/core/weights/obstacles";
import type { CommandContext, CommandInput } from "../command.ts";
import { withChain } from "../operator/chain-reader.ts";
import { operatorOf } from "../operator/operator-options.ts";
import { ownHotkey } from "../operator/own-hotkey.ts";
import type { Problem } from "../operator/problem.ts";
import { withLedger } from "../operator/with-ledger.ts";
import { readStop, stopObstacles } from "./stop-weights.ts";
import { readPlan, vectorOf, type WeightPlan } from "./weight-plan.ts";
import { weightProblems } from "./weight-problems.ts";
import { type ChainStanding, readChainStanding, type WeightStanding } from "./weight-standing.ts";

/** What would be sent now, and what is there. */
export interface PlanNow {
  readonly plan: WeightPlan;
  readonly chain: ChainStanding;
  readonly standing: WeightStanding;
  /** How the subnet takes weights. */
  readonly mode: "plain" | "commit_reveal";
  readonly versionKey: bigint;
  readonly obstacles: readonly Problem[];
}

/** Reads ledger and chain; writes nothing. */
export async function readPlanNow({ options }: CommandInput, { env, signal }: CommandContext): Promise<PlanNow> {
  const operator = operatorOf(options, env);
  const hotkey = await ownHotkey(options, operator);
  const stopped = stopObstacles(await readStop(operator));
  return await withLedger(operator.ledgerPath, (ledger) =>
    withChain(operator, signal, async (chain) => {
      const standing = await readChainStanding(chain, operator.netuid, hotkey);
      const plan = await readPlan(ledger, standing.snapshot);
      const { commitRevealEnabled, weightsVersionKey: versionKey } = standing.snapshot.hyperparameters;
      const found = plan.weights.length === 0 ? [] : planObstacles(plan, standing);
      return {
        plan,
        chain: standing,
        standing: standing.standing,
        mode: commitRevealEnabled ? "commit_reveal" : "plain",
        versionKey,
        obstacles: weightProblems([...stopped, ...found]),
      };
    }),
  );
}

/** What the next block would refuse of a plan, with the subnet's own version key. */
export function planObstacles(
  plan: WeightPlan,
  { standing: { hotkey }, snapshot, unsupported }: ChainStanding,
): readonly WeightObstacle[] {
  return [...unsupported, ...weightObstacles(vectorOf(plan, snapshot), hotkey, snapshot)];
}

/** 0 when there is something to set and nothing against it. */
export function planExitCode({ plan, obstacles }: PlanNow): 0 | 1 {
  return plan.weights.length > 0 && obstacles.length === 0 ? 0 : 1;
}

/** `Weights of round 120, plain, version key 0:`. */
export function planTitle({ plan, mode, versionKey }: PlanNow): string {
  if (plan.roundId === null) return "No round is closed yet: nothing to set\n";
  if (plan.weights.length === 0) return `No miner has a positive score after round ${plan.roundId}: nothing to set\n`;
  const how = mode === "plain" ? "plain" : "by commit and reveal";
  return `Weights after round ${plan.roundId}, ${how}, version key ${versionKey}:\n`;
}

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
      const plan = await readPlan(ledger, chain, standing.snapshot, { operator, hotkey });
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

/** What the next block would refuse of a plan, with the subnet's own version key; of no plan, what it would of any. */
export function planObstacles(
  plan: WeightPlan,
  { standing: { hotkey }, snapshot, unsupported }: ChainStanding,
): readonly WeightObstacle[] {
  const found = weightObstacles(vectorOf(plan, snapshot), hotkey, snapshot);
  // Where nothing is to be set the plan says why, which is more than that it is short.
  return [...unsupported, ...found.filter(({ code }) => plan.none === null || code !== "too_few_weights")];
}

/** 0 when there is something to set and nothing against it. */
export function planExitCode({ plan, obstacles }: PlanNow): 0 | 1 {
  return plan.weights.length > 0 && obstacles.length === 0 ? 0 : 1;
}

/** `Weights after round 120 by scores, sent plain with version key 0:`. */
export function planTitle({ plan, mode, versionKey }: PlanNow): string {
  const { roundId, origin, none } = plan;
  const after = roundId === null ? "before the first round" : `after round ${roundId}`;
  if (none !== null) return `Nothing to set ${after}: ${noPlanWords(none)}\n`;
  const how = mode === "plain" ? "sent plain" : "hidden by commit and reveal";
  return `Weights ${after} by ${origin}, ${how}, with version key ${versionKey}:\n`;
}

/** `too_few_weights, weights 2, atLeast 3`. */
export function noPlanWords({ reason, fields }: NonNullable<WeightPlan["none"]>): string {
  const facts = Object.entries(fields).map(([name, value]) => `${name} ${value}`);
  return [reason, ...facts].join(", ");
}

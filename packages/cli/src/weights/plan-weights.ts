import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { problemLine } from "../operator/problem.ts";
import { planExitCode, planTitle, readPlanNow } from "./read-plan-now.ts";
import { renderPlanRules } from "./weight-plan.ts";
import { renderWeights } from "./weight-rows.ts";

/** `assay weights plan`. */
export async function planWeights(input: CommandInput, context: CommandContext): Promise<CommandResult> {
  const now = await readPlanNow(input, context);
  const { plan, standing, mode, versionKey, obstacles } = now;
  const text = [
    planTitle(now),
    plan.weights.length === 0 ? "" : renderWeights(plan.weights),
    renderPlanRules(plan),
    ...obstacles.map((obstacle) => `${problemLine(obstacle)}\n`),
  ].join("");
  const { netuid, hotkey, block, uid } = standing;
  return {
    json: { netuid, hotkey, uid, block, mode, versionKey, ...plan, obstacles },
    text,
    exitCode: planExitCode(now),
  };
}

import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { problemLine } from "../operator/problem.ts";
import { table } from "../readable.ts";
import { planExitCode, planTitle, readPlanNow } from "./read-plan-now.ts";
import { renderWeights } from "./weight-rows.ts";

/** `assay weights plan`. */
export async function planWeights(input: CommandInput, context: CommandContext): Promise<CommandResult> {
  const now = await readPlanNow(input, context);
  const { plan, standing, mode, versionKey, obstacles } = now;
  const left = plan.left.map(({ uid, hotkey, ema, reason }) => [String(uid), hotkey, ema.toFixed(4), reason]);
  const text = [
    planTitle(now),
    plan.weights.length === 0 ? "" : renderWeights(plan.weights),
    left.length === 0 ? "" : `Without weight:\n${table([["uid", "hotkey", "average", "reason"], ...left])}`,
    ...obstacles.map((obstacle) => `${problemLine(obstacle)}\n`),
  ].join("");
  const { netuid, hotkey, block, uid } = standing;
  return {
    json: { netuid, hotkey, uid, block, mode, versionKey, ...plan, obstacles },
    text,
    exitCode: planExitCode(now),
  };
}

import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { problemLine } from "../operator/problem.ts";
import { planExitCode, planTitle, readPlanNow } from "./read-plan-now.ts";
import { differs, renderDifferences, type WeightRow, weightDifferences } from "./weight-rows.ts";

/** `assay weights set --dry-run`: what would be sent, and what it would change. Nothing is sent. */
export async function dryRun(input: CommandInput, context: CommandContext): Promise<CommandResult> {
  const now = await readPlanNow(input, context);
  const { plan, standing, mode, versionKey, obstacles } = now;
  const differences = weightDifferences(asPairs(plan.weights), asPairs(standing.weights));
  const changes = differences.filter(differs).length;
  const text = [
    planTitle(now),
    plan.weights.length === 0 ? "" : renderDifferences(differences, "would be"),
    plan.weights.length === 0 ? "" : `${changes} of ${differences.length} would change. Nothing was sent.\n`,
    ...obstacles.map((obstacle) => `${problemLine(obstacle)}\n`),
  ].join("");
  const { netuid, hotkey, block, uid } = standing;
  const { roundId, weights } = plan;
  return {
    json: { sent: false, netuid, hotkey, uid, block, mode, versionKey, roundId, weights, differences, obstacles },
    text,
    exitCode: planExitCode(now),
  };
}

function asPairs(rows: readonly WeightRow[]): readonly (readonly [number, number])[] {
  return rows.map(({ uid, weight }) => [uid, weight] as const);
}

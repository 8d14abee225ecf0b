import { type WeightIntentKey, weightIntentId } from "@assay/core/jobs/catalog";
import { Ledger } from "@assay/ledger/ledger";
import type { WeightPlan as PlannedIntent } from "@assay/ledger/weight-intent";
import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { operatorOf } from "../operator/operator-options.ts";
import { problemLine } from "../operator/problem.ts";
import { type PlanNow, planExitCode, planTitle, readPlanNow } from "./read-plan-now.ts";
import { renderPlanRules, vectorOf } from "./weight-plan.ts";
import { differs, renderDifferences, type WeightRow, weightDifferences } from "./weight-rows.ts";

/** `assay weights set --dry-run`: what would be sent, and what it would change: noted in the ledger, and never sent. */
export async function dryRun(input: CommandInput, context: CommandContext): Promise<CommandResult> {
  const now = await readPlanNow(input, context);
  const { plan, standing, mode, versionKey, obstacles } = now;
  const differences = weightDifferences(asPairs(plan.weights), asPairs(standing.weights));
  const changes = differences.filter(differs).length;
  const intent = plan.weights.length === 0 ? null : await note(now, changes, operatorOf(input.options, context.env));
  const text = [
    planTitle(now),
    plan.weights.length === 0 ? "" : renderDifferences(differences, "would be"),
    plan.weights.length === 0 ? "" : `${changes} of ${differences.length} would change. Nothing was sent.\n`,
    intent === null ? "" : `Noted in the ledger as ${intent}, which is never sent.\n`,
    renderPlanRules(plan),
    ...obstacles.map((obstacle) => `${problemLine(obstacle)}\n`),
  ].join("");
  const { netuid, hotkey, block, uid } = standing;
  return {
    json: {
      sent: false,
      intent,
      netuid,
      hotkey,
      uid,
      block,
      mode,
      versionKey,
      ...plan,
      differences,
      obstacles,
    },
    text,
    exitCode: planExitCode(now),
  };
}

/** Writes the plan as a dry run, beside the validator. @returns its id; null before the first closed round. */
async function note(
  now: PlanNow,
  changes: number,
  { ledgerPath }: { readonly ledgerPath: string },
): Promise<string | null> {
  const plan = plannedIntent(now, Date.now());
  if (plan === null) return null;
  const ledger = await Ledger.openBeside({ path: ledgerPath });
  try {
    await ledger.intents.plan(plan, "dry_run");
    const fields = { roundId: plan.roundId, tempo: plan.tempo, weights: plan.uids.length, changes };
    await ledger.events.append({ kind: "weights_dry_run", block: plan.plannedBlock, fields });
  } finally {
    await ledger.stop();
  }
  return plan.id;
}

function plannedIntent({ plan, chain }: PlanNow, millis: number): PlannedIntent | null {
  const { snapshot, rules } = chain;
  const { netuid, block } = snapshot;
  if (plan.roundId === null || plan.origin === null || rules === null) return null;
  const { index: tempo, firstBlock, nextBlock } = rules.epoch;
  const key: WeightIntentKey = { netuid, mechanism: 0, tempo, attempt: 0 };
  return {
    ...key,
    ...vectorOf(plan, snapshot),
    id: `dry-${weightIntentId(key)}-${millis}`,
    roundId: plan.roundId,
    origin: plan.origin,
    firstBlock,
    plannedBlock: block,
    deadlineBlock: nextBlock - 1,
  };
}

function asPairs(rows: readonly WeightRow[]): readonly (readonly [number, number])[] {
  return rows.map(({ uid, weight }) => [uid, weight] as const);
}

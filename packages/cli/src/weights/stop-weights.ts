import { CheckpointLayout } from "@assay/checkpoint/layout";
import { readWeightStop, resumeWeights, stopWeights, type WeightStop } from "@assay/checkpoint/weight-stop";
import type { WeightObstacle } from "@assay/core/weights/obstacles";
import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { type Operator, operatorOf } from "../operator/operator-options.ts";

/** `assay weights stop`. */
export async function stop({ options }: CommandInput, { env }: CommandContext): Promise<CommandResult> {
  const layout = layoutOf(operatorOf(options, env));
  const stopped: WeightStop = { reason: options.text("reason") ?? "no reason given", at: Date.now() };
  await stopWeights(layout, stopped);
  return {
    json: { stop: stopped, file: layout.weightStop },
    text: `${stopLine(stopped)}${layout.weightStop}\n`,
    exitCode: 0,
  };
}

/** `assay weights resume`. */
export async function resume({ options }: CommandInput, { env }: CommandContext): Promise<CommandResult> {
  const layout = layoutOf(operatorOf(options, env));
  const was = await readWeightStop(layout);
  await resumeWeights(layout);
  const text = was === null ? "Weights were not stopped\n" : "Weights are signed again from the next block on\n";
  return { json: { stop: null, was }, text, exitCode: 0 };
}

/** The stop in force in the validator's checkpoint directory. */
export async function readStop(operator: Operator): Promise<WeightStop | null> {
  return await readWeightStop(layoutOf(operator));
}

/** The stop as what stands in the way, by the code under which the validator notes it. */
export function stopObstacles(stopped: WeightStop | null): readonly WeightObstacle[] {
  return stopped === null ? [] : [{ code: "stopped", fields: { said: stopped.reason } }];
}

/** Nothing without a stop. */
export function stopLine(stopped: WeightStop | null): string {
  if (stopped === null) return "";
  return `Weights are stopped since ${new Date(stopped.at).toISOString()}: ${stopped.reason}\n`;
}

function layoutOf({ checkpointRoot }: Operator): CheckpointLayout {
  return new CheckpointLayout(checkpointRoot);
}

import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { withChain } from "../operator/chain-reader.ts";
import { operatorOf } from "../operator/operator-options.ts";
import { ownHotkey } from "../operator/own-hotkey.ts";
import { renderWeights } from "./weight-rows.ts";
import { readWeightStanding, standingLine } from "./weight-standing.ts";

/** `assay weights show`. */
export async function showWeights({ options }: CommandInput, { env, signal }: CommandContext): Promise<CommandResult> {
  const operator = operatorOf(options, env);
  const hotkey = await ownHotkey(options, operator);
  const { standing } = await withChain(operator, signal, (chain) => readWeightStanding(chain, operator.netuid, hotkey));
  const text = `${standingLine(standing)}\n${standing.weights.length === 0 ? "" : renderWeights(standing.weights)}`;
  return { json: standing, text, exitCode: standing.weights.length === 0 ? 1 : 0 };
}

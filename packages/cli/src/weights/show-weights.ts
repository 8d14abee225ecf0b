import type { CommandContext, CommandInput, CommandResult } from "../command.ts";
import { withChain } from "../operator/chain-reader.ts";
import { operatorOf } from "../operator/operator-options.ts";
import { ownHotkey } from "../operator/own-hotkey.ts";
import { readStop, stopLine } from "./stop-weights.ts";
import { renderWeights } from "./weight-rows.ts";
import { readChainStanding, standingLine, windowLine, windowStanding } from "./weight-standing.ts";

/** `assay weights show`. */
export async function showWeights({ options }: CommandInput, { env, signal }: CommandContext): Promise<CommandResult> {
  const operator = operatorOf(options, env);
  const hotkey = await ownHotkey(options, operator);
  const stop = await readStop(operator);
  const chain = await withChain(operator, signal, (client) => readChainStanding(client, operator.netuid, hotkey));
  const { standing } = chain;
  const window = windowStanding(chain);
  const text = [
    `${standingLine(standing)}\n`,
    standing.weights.length === 0 ? "" : renderWeights(standing.weights),
    window === null ? "" : `${windowLine(window)}\n`,
    stopLine(stop),
  ].join("");
  return { json: { ...standing, window, stop }, text, exitCode: standing.weights.length === 0 ? 1 : 0 };
}
